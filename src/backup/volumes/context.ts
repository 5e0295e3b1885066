import type { Lease } from '../../cluster/lease.ts';
import type { PodApi } from '../../cluster/pod-api.ts';
import type { Runtime } from '../../domain/runtime.ts';
import type { VolumeSettings } from '../../domain/volume-settings.ts';
import type { FrozenPods } from '../../volumes/frozen-pods.ts';
import type { Objects } from '../../volumes/objects.ts';
import type { Movers, VolumeRepositories } from '../../volumes/ports.ts';

/** What capturing volumes works with, whichever set it is for. */
export interface CaptureTools {
  readonly objects: Objects;
  readonly pods: PodApi;
  readonly movers: Movers;
  readonly repositories: VolumeRepositories;
  readonly frozen: FrozenPods;
  readonly settings: VolumeSettings;
  /** Whose objects they are; all are taken for ours where nobody says. */
  readonly installation?: string;
  readonly runtime: Runtime;
  readonly monotonic: () => number;
  /** A Lease of the service's namespace. */
  readonly lease: (name: string) => Lease;
  /** Of what could not be removed, and is left to the next run. */
  readonly onWarning: (text: string) => void;
  /** How long an error of the driver is borne, which goes on trying, milliseconds; 20 seconds unless told. */
  readonly errorMs?: number;
}

export interface CaptureContext extends CaptureTools {
  /** Id of the set. */
  readonly work: string;
  readonly signal: AbortSignal;
}

/** `holdfast-1f2e…-a1b2c3`: of the claim, and no other has it. */
export function freshName(context: Pick<CaptureContext, 'runtime'>, digest: string, kind = ''): string {
  const random = Buffer.from(context.runtime.random(3)).toString('hex');
  return `holdfast-${kind}${digest}-${random}`;
}
