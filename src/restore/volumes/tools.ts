import type { Identity } from '../../domain/identity.ts';
import type { VolumeSettings } from '../../domain/volume-settings.ts';
import type { Movers, VolumeRepositories } from '../../volumes/ports.ts';
import type { ScaledWorkloads } from '../../volumes/scaled-workloads.ts';

/** What bringing the data of volumes back takes. */
export interface VolumeTools {
  readonly settings: VolumeSettings;
  /** Whose objects they are that it makes in the cluster. */
  readonly installation?: string;
  readonly movers: Movers;
  readonly repositories: VolumeRepositories;
  readonly scaled: ScaledWorkloads;
  /** For passwords of repositories that another cluster made. */
  readonly identities: readonly Identity[];
}
