import * as z from 'zod';
import type { ErrorCode } from '../domain/errors.ts';
import type { VolumeRecord } from '../domain/volume.ts';

const count = z.int().min(0);
const time = z.iso.datetime();

const snapshotRecord = z.object({
  driver: z.string(),
  class: z.string(),
  handle: z.string(),
  takenAt: time,
  restoreSizeBytes: count,
  kept: z.object({ namespace: z.string(), name: z.string() }).exactOptional(),
});

const dataRecord = z.object({
  // Becomes part of keys.
  repository: z.string().regex(/^volumes\/[a-z0-9.-]+\/[a-z0-9.~-]+\/$/),
  snapshot: z.string().regex(/^[0-9a-f]{64}$/),
  source: z.enum(['snapshot', 'live']),
  files: count,
  bytes: count,
  addedBytes: count,
  durationMs: count,
});

/** The wire form of what a manifest says of one claim. */
export const volumeRecordSchema = z.object({
  namespace: z.string(),
  claim: z.string(),
  state: z.enum(['captured', 'not-protected', 'failed']),
  reason: z.string(),
  code: z
    .string()
    .transform(code => code as ErrorCode)
    .exactOptional(),
  storageClass: z.string().exactOptional(),
  volumeMode: z.enum(['Filesystem', 'Block']).exactOptional(),
  accessModes: z.array(z.string()).exactOptional(),
  sizeBytes: count.exactOptional(),
  snapshot: snapshotRecord.exactOptional(),
  data: dataRecord.exactOptional(),
}) satisfies z.ZodType<VolumeRecord, unknown>;
