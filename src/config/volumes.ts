import { HoldfastError } from '../domain/errors.ts';
import type { VolumeCapture } from '../domain/policy.ts';
import type { VolumeSettings } from '../domain/volume-settings.ts';
import { ownNamespace } from './environment.ts';
import { filled } from './filled.ts';
import { hooksFrom } from './hook-schema.ts';
import type { Config } from './load.ts';

/** How movers get at the store. */
export interface VolumeAccess {
  readonly mode: 'sts' | 'secret';
  readonly roleArn?: string;
  readonly secretName?: string;
  readonly endpoint?: string;
  readonly caFile?: string;
}

export interface VolumeConfig {
  readonly capture: VolumeCapture;
  readonly settings: VolumeSettings;
  readonly access: VolumeAccess;
}

const elsewhere = 'holdfast';

/** What `volumes` of the configuration means, with every default filled in. CONFIG_INVALID. */
export async function volumeConfig({ settings, environment }: Config): Promise<VolumeConfig> {
  const given = settings.volumes ?? {};
  const { mover = {}, restic = {}, access = {} } = given;
  const mode = filled(access.mode);
  if (mode === 'secret' && access.secretName === undefined) {
    throw new HoldfastError('CONFIG_INVALID', 'volumes.access.mode is secret, and volumes.access.secretName names none');
  }
  const { roleArn, secretName, endpoint, caFile } = access;
  const { requests, limits } = mover.resources ?? {};
  return {
    capture: filled(given.capture),
    access: {
      mode,
      ...(roleArn !== undefined && { roleArn }),
      ...(secretName !== undefined && { secretName }),
      ...(endpoint !== undefined && { endpoint }),
      ...(caFile !== undefined && { caFile }),
    },
    settings: {
      namespace: given.namespace ?? (await ownNamespace(environment)) ?? elsewhere,
      mover: {
        ...(mover.image !== undefined && { image: mover.image }),
        imagePullPolicy: filled(mover.imagePullPolicy),
        resources: { ...(requests !== undefined && { requests }), ...(limits !== undefined && { limits }) },
        nodeSelector: mover.nodeSelector ?? {},
        ...(mover.priorityClassName !== undefined && { priorityClassName: mover.priorityClassName }),
        timeoutMs: filled(mover.timeout),
      },
      tuning: {
        compression: filled(restic.compression),
        connections: filled(restic.connections),
        readConcurrency: filled(restic.readConcurrency),
        packSize: filled(restic.packSize),
      },
      parallel: filled(given.parallel),
      parallelPerNode: filled(given.parallelPerNode),
      parallelSnapshots: filled(given.parallelSnapshots),
      snapshotTimeoutMs: filled(given.snapshotTimeout),
      snapshotClasses: given.snapshotClasses ?? {},
      keepSnapshots: filled(given.keepSnapshots),
      storageClasses: given.storageClasses ?? {},
      liveFallback: filled(given.liveFallback),
      hookTimeoutMs: filled(given.hookTimeout),
      hooks: hooksFrom(given.hooks),
    },
  };
}
