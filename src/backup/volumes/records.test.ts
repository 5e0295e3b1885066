import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../domain/errors.ts';
import type { VolumeRecord } from '../../domain/volume.ts';
import { volumePart, volumeProblems, volumeRecords } from './records.ts';

const snapshot = { driver: 'd', class: 'c', handle: 'h', takenAt: '2026-11-23T02:00:00Z', restoreSizeBytes: 1 };
const data = { repository: 'volumes/a/x/', snapshot: 'ab', source: 'live', files: 1, bytes: 1, addedBytes: 1, durationMs: 1 } as const;
const record = (claim: string, more: Partial<VolumeRecord> = {}): VolumeRecord => ({
  ...{ namespace: 'a', claim, state: 'captured', reason: '' },
  ...more,
});
const archived = [
  { namespace: 'a', name: 'x' },
  { namespace: 'a', name: 'y' },
];

describe('what a manifest says of volumes', () => {
  it('is one record a claim of the set', () => {
    const captured = { records: [record('x')], problems: [] };
    expect(volumeRecords(archived, captured)).toEqual([
      record('x'),
      record('y', { state: 'not-protected', reason: 'the claim was made while the backup ran' }),
    ]);
    expect(volumeRecords(archived, undefined).map(({ state }) => state)).toEqual(['not-protected', 'not-protected']);
  });

  it('has what was captured of a claim that was gone before the instant, and no word of one that had nothing', () => {
    const captured = { records: [record('gone'), record('empty', { state: 'not-protected', reason: 'none' })], problems: [] };
    expect(volumeRecords([], captured)).toEqual([record('gone')]);
  });

  it('is a failure of every claim where nothing could be learned of any', () => {
    const error = new HoldfastError('CLUSTER_FORBIDDEN', 'no');
    const records = volumeRecords(archived, error);
    expect(records.map(({ state, code, reason }) => [state, code, reason])).toEqual([
      ['failed', 'CLUSTER_FORBIDDEN', 'no'],
      ['failed', 'CLUSTER_FORBIDDEN', 'no'],
    ]);
    expect(volumeProblems(records, error)).toEqual([
      { item: 'persistentvolumeclaims a/x', code: 'CLUSTER_FORBIDDEN', message: 'no' },
      { item: 'persistentvolumeclaims a/y', code: 'CLUSTER_FORBIDDEN', message: 'no' },
    ]);
  });

  it('names what could not be thawed beside the claims', () => {
    const frozen = { item: 'pods a/p', code: 'VOLUME_HOOK_FAILED', message: 'frozen' } as const;
    expect(volumeProblems([record('x')], { records: [], problems: [frozen] })).toEqual([frozen]);
  });
});

describe('a part of a set', () => {
  const kept = { ...snapshot, kept: { namespace: 'holdfast', name: 's' } };
  it('is protected when every claim with data has it', () => {
    const records = [record('x', { snapshot: kept, data }), record('none', { state: 'not-protected', reason: 'no data' })];
    expect(volumePart('volumeSnapshots', records)).toEqual({ part: 'volumeSnapshots', state: 'protected', reason: '' });
    expect(volumePart('volumeData', records).state).toBe('protected');
  });

  it('names the claims without it; a snapshot that was not kept is none', () => {
    const records = [record('x', { snapshot, data }), record('y', { snapshot: kept }), record('z', { state: 'failed', reason: 'no' })];
    expect(volumePart('volumeSnapshots', records)).toEqual({
      part: 'volumeSnapshots',
      state: 'not-protected',
      reason: '2 of 3 claims have no snapshot: a/x, a/z',
    });
    expect(volumePart('volumeData', records).reason).toBe('2 of 3 claims have no data: a/y, a/z');
  });
});
