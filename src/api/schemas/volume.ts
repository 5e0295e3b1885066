import * as z from 'zod';
import { count, time } from './common.ts';

/** What a set has of one claim. */
export const volume = z
  .object({
    namespace: z.string(),
    claim: z.string(),
    state: z.enum(['captured', 'not-protected', 'failed']),
    reason: z.string(),
    code: z.string().exactOptional(),
    storageClass: z.string().exactOptional(),
    volumeMode: z.enum(['Filesystem', 'Block']).exactOptional(),
    accessModes: z.array(z.string()).exactOptional(),
    sizeBytes: count.exactOptional(),
    snapshot: z
      .object({
        driver: z.string(),
        class: z.string(),
        handle: z.string(),
        takenAt: time,
        restoreSizeBytes: count,
        kept: z.object({ namespace: z.string(), name: z.string() }).exactOptional(),
      })
      .exactOptional()
      .describe('in the storage of the cluster, and gone with it'),
    data: z
      .object({
        repository: z.string(),
        snapshot: z.string(),
        source: z.enum(['snapshot', 'live']),
        files: count,
        bytes: count,
        addedBytes: count,
        durationMs: count,
      })
      .exactOptional()
      .describe('moved into a restic repository of the location'),
  })
  .meta({ id: 'VolumeRecord' });
