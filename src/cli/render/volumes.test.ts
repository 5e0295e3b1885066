import { describe, expect, it } from 'vitest';
import type { VolumeRecord } from '../../domain/volume.ts';
import { plainStyle as style } from '../style.ts';
import { snapshotsAlone, volumeFact, volumeTable } from './volumes.ts';

const snapshot = { driver: 'd', class: 'c', handle: 'h', takenAt: '2026-11-23T02:00:00Z', restoreSizeBytes: 1 };
const data = { repository: 'volumes/a/x/', snapshot: 'ab', files: 3, bytes: 2 ** 30, addedBytes: 2 ** 20, durationMs: 4000 };

const volumes: readonly VolumeRecord[] = [
  {
    ...{ namespace: 'agents', claim: 'workspace', state: 'captured', reason: '', storageClass: 'fast', sizeBytes: 10 * 2 ** 30 },
    ...{ snapshot: { ...snapshot, kept: { namespace: 'holdfast', name: 's' } }, data: { ...data, source: 'snapshot' } },
  },
  { namespace: 'agents', claim: 'cache', state: 'captured', reason: 'read while in use', data: { ...data, source: 'live' } },
  { namespace: 'agents', claim: 'broken', state: 'failed', code: 'SNAPSHOT_FAILED', reason: 'disk on fire' },
  { namespace: 'agents', claim: 'scratch', state: 'not-protected', reason: 'left out' },
];

describe('volumes on screen', () => {
  it('are one line in a summary, and none where no volume was asked for', () => {
    expect(volumeFact(volumes)).toEqual([['Volumes', '2 claims captured, 1 failed; 2.00 GiB read, 2.00 MiB of it new']]);
    expect(volumeFact(volumes.slice(3))).toEqual([]);
  });

  it('count those whose snapshot alone there is, which goes before the set', () => {
    expect(snapshotsAlone(volumes)).toBeUndefined();
    const { data: _, ...alone } = volumes[0] as VolumeRecord;
    const said = '1 claim by a snapshot alone, which the cluster has while it is one of the newest';
    expect(snapshotsAlone([...volumes, alone])).toBe(said);
    expect(volumeFact([alone])).toEqual([
      ['Volumes', '1 claim captured'],
      ['', said],
    ]);
  });

  it('are a table of what the set has of each claim, and why not', () => {
    const text = volumeTable(volumes, style).join('\n');
    expect(text).toMatch(/agents\/workspace +captured +snapshot, data +fast +10\.0 GiB +3 +1\.00 GiB +1\.00 MiB +4\.0s/);
    expect(text).toMatch(/agents\/cache +captured +live data .* read while in use/);
    expect(text).toMatch(/agents\/broken +failed .* disk on fire/);
    expect(text).toMatch(/agents\/scratch +not-protected .* left out/);
    expect(volumeTable(volumes, style, false)).toHaveLength(volumes.length);
  });
});
