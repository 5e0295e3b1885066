import type { ErrorCode } from './errors.ts';
import type { VolumeRecord } from './volume.ts';

/** The claims of a set in figures. */
export interface VolumeCounts {
  readonly claims: number;
  /** With a snapshot that stays in the cluster. */
  readonly snapshotted: number;
  /** With their data in the repository. */
  readonly moved: number;
  /** Not in the set, and on purpose. */
  readonly notProtected: number;
  readonly failed: number;
  /** Of the data in the repository. */
  readonly bytes: number;
  /** New to the repository, after compression. */
  readonly addedBytes: number;
}

export function countVolumes(records: readonly VolumeRecord[]): VolumeCounts {
  const sum = (of: (record: VolumeRecord) => number) => records.reduce((total, record) => total + of(record), 0);
  const count = (is: (record: VolumeRecord) => boolean) => records.filter(is).length;
  return {
    claims: records.length,
    snapshotted: count(({ snapshot }) => snapshot?.kept !== undefined),
    moved: count(({ data }) => data !== undefined),
    notProtected: count(({ state }) => state === 'not-protected'),
    failed: count(({ state }) => state === 'failed'),
    bytes: sum(({ data }) => data?.bytes ?? 0),
    addedBytes: sum(({ data }) => data?.addedBytes ?? 0),
  };
}

/** Claims that failed, by their error's code. */
export function countFailures(records: readonly VolumeRecord[]): Partial<Record<ErrorCode, number>> {
  const counts: Partial<Record<ErrorCode, number>> = {};
  for (const { state, code = 'INTERNAL' } of records) if (state === 'failed') counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}
