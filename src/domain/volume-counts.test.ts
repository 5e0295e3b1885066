import { expect, it } from 'vitest';
import type { VolumeRecord } from './volume.ts';
import { countFailures, countVolumes } from './volume-counts.ts';

const claim = (name: string, more: Partial<VolumeRecord> = {}): VolumeRecord => {
  return { namespace: 'agents', claim: name, state: 'captured', reason: '', ...more };
};
const taken = { driver: 'd', class: 'c', handle: 'h', takenAt: '2026-11-23T02:00:00Z', restoreSizeBytes: 5 };
const data = { repository: 'volumes/a/b/', snapshot: 'f', source: 'snapshot', files: 2, bytes: 100, addedBytes: 7, durationMs: 1 } as const;

it('counts claims by what a set has of them: a snapshot counts only where it was kept', () => {
  const records = [
    claim('both', { data, snapshot: { ...taken, kept: { namespace: 'holdfast', name: 's' } } }),
    claim('moved', { data, snapshot: taken }),
    claim('half', { state: 'failed', code: 'MOVER_FAILED', snapshot: { ...taken, kept: { namespace: 'holdfast', name: 't' } } }),
    claim('left', { state: 'not-protected', reason: 'left out' }),
  ];
  const sizes = { bytes: 200, addedBytes: 14 };
  expect(countVolumes(records)).toEqual({ claims: 4, snapshotted: 2, moved: 2, notProtected: 1, failed: 1, ...sizes });
});

it('counts failures by their code', () => {
  const failed = (code?: VolumeRecord['code']) => claim('x', { state: 'failed', ...(code !== undefined && { code }) });
  expect(countFailures([failed('MOVER_FAILED'), failed('SNAPSHOT_FAILED'), failed('MOVER_FAILED'), failed(), claim('well')])).toEqual({
    ...{ MOVER_FAILED: 2, SNAPSHOT_FAILED: 1, INTERNAL: 1 },
  });
});
