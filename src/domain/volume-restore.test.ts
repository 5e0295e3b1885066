import { describe, expect, it } from 'vitest';
import type { VolumeDataRecord, VolumeRecord } from './volume.ts';
import { neededBytes, planVolume, type VolumeSituation } from './volume-restore.ts';

const data: VolumeDataRecord = {
  ...{ repository: 'volumes/agents/workspace/', snapshot: 'a'.repeat(64), source: 'snapshot' },
  ...{ files: 3, bytes: 2048, addedBytes: 100, durationMs: 5 },
};
const snapshot = {
  ...{ driver: 'csi.example.com', class: 'fast', handle: 'h1', takenAt: '2026-11-20T10:00:00Z', restoreSizeBytes: 4096 },
  kept: { namespace: 'holdfast', name: 's1' },
};
const record: VolumeRecord = { namespace: 'agents', claim: 'workspace', state: 'captured', reason: '', data, snapshot };
const usable = { namespace: 'holdfast', name: 's1', restoreSizeBytes: 4096 };
const storage = { name: 'fast', provisioner: 'csi.example.com', waitsForConsumer: false };

function plan(change: Partial<VolumeSituation> = {}) {
  const usual: VolumeSituation = {
    ...{ namespace: 'agents', claim: 'workspace', record, storage, snapshot: usable },
    ...{ exists: false, volumeMode: 'Filesystem', wanted: 'data' },
  };
  return planVolume({ ...usual, ...change });
}

describe('where the data of a claim comes from', () => {
  it('is the snapshot that is still there', () => {
    expect(plan()).toMatchObject({ action: 'fill', source: 'snapshot' });
  });

  it('is the repository where there is no snapshot any more, and the plan says why', () => {
    const planned = plan({ snapshot: 'the snapshot holdfast/s1 is not in this cluster any more' });
    expect(planned).toMatchObject({ action: 'fill', source: 'repository', bytes: 2048 });
    expect(planned.reason).toMatch(/not in this cluster/);
  });

  it('is the repository where the target has another driver', () => {
    const planned = plan({ storage: { ...storage, name: 'slow', provisioner: 'other.example.com' } });
    expect(planned).toMatchObject({ action: 'fill', source: 'repository' });
    expect(planned.reason).toMatch(/csi.example.com.*slow.*other.example.com/);
  });

  it('is the repository where the claim shall be smaller than the snapshot, and nowhere without that', () => {
    expect(plan({ sizeBytes: 4096 })).toMatchObject({ action: 'fill', source: 'snapshot' });
    const planned = plan({ sizeBytes: 3000 });
    expect(planned).toMatchObject({ action: 'fill', source: 'repository' });
    expect(planned.reason).toBe('the snapshot takes 4096 bytes, and the claim shall have 3000');
    const { data: _, ...only } = record;
    expect(plan({ sizeBytes: 3000, record: only })).toMatchObject({ action: 'fail', code: 'VOLUME_DATA_MISSING' });
  });

  it('is nowhere where only a snapshot was taken and that is gone: the claim is not made', () => {
    const { data: _, ...only } = record;
    expect(plan({ record: only, snapshot: 'it is gone' })).toMatchObject({ action: 'fail', source: 'none', code: 'VOLUME_DATA_MISSING' });
  });

  it('is nowhere where its backup failed', () => {
    const failed: VolumeRecord = {
      namespace: 'agents',
      claim: 'workspace',
      state: 'failed',
      reason: 'the hook failed',
      code: 'VOLUME_HOOK_FAILED',
    };
    const planned = plan({ record: failed });
    expect(planned).toMatchObject({ action: 'fail', code: 'VOLUME_DATA_MISSING' });
    expect(planned.reason).toMatch(/the hook failed/);
  });
});

describe('a claim that gets no data', () => {
  it('is left as it is where it is there already', () => {
    expect(plan({ exists: true })).toMatchObject({ action: 'keep', source: 'none' });
  });

  it('is empty where nobody wants data, whatever the set has of it', () => {
    expect(plan({ wanted: 'none' })).toMatchObject({ action: 'empty' });
    expect(plan({ wanted: 'none', record: { ...record, state: 'failed' } })).toMatchObject({ action: 'empty' });
  });

  it('is empty where its data was left out of the set on purpose', () => {
    const left: VolumeRecord = { namespace: 'agents', claim: 'cache', state: 'not-protected', reason: 'annotated' };
    expect(plan({ record: left })).toMatchObject({ action: 'empty', reason: 'its data is not in the set: annotated' });
  });

  it('is not made in a mode that the data is not of', () => {
    expect(plan({ record: { ...record, volumeMode: 'Block' } })).toMatchObject({ action: 'fail', code: 'VOLUME_MODE_MISMATCH' });
  });

  it('is not made without a storage class', () => {
    expect(plan({ storage: 'the target has no storage class fast' })).toMatchObject({ action: 'fail', code: 'VOLUME_UNSUPPORTED' });
  });
});

describe('a claim whose volume nothing makes', () => {
  const none = { name: '', provisioner: '', waitsForConsumer: false };

  it('gets its data into the volume that is there, from the repository alone', () => {
    const planned = plan({ fixed: { name: 'nfs-1' }, storage: none });
    expect(planned).toMatchObject({ action: 'fill', source: 'repository', volume: 'nfs-1', bytes: 2048 });
    expect(planned.reason).toBe('into the volume nfs-1, unless that has files');
    expect(plan({ fixed: { name: 'nfs-1' }, storage: 'the target has no storage class nfs' })).toMatchObject({ action: 'fill' });
  });

  it('is not made where there is no such volume, and the plan says why', () => {
    const planned = plan({ fixed: 'the volume nfs-1 that it names is not in this cluster', storage: none });
    expect(planned).toMatchObject({ action: 'fail', code: 'VOLUME_UNSUPPORTED' });
    expect(planned.reason).toMatch(/nfs-1 .*not in this cluster/);
  });

  it('is not made without data: of a snapshot alone, or into a device of which nobody knows what it has', () => {
    const { data: _, ...only } = record;
    expect(plan({ fixed: { name: 'nfs-1' }, record: only })).toMatchObject({ action: 'fail', code: 'VOLUME_DATA_MISSING' });
    const block = plan({ fixed: { name: 'lun-1' }, volumeMode: 'Block', record: { ...record, volumeMode: 'Block' } });
    expect(block).toMatchObject({ action: 'fail', code: 'VOLUME_UNSUPPORTED', reason: expect.stringMatching(/--in-place/) });
  });
});

describe('the size of a volume', () => {
  it('is the greatest of what is asked for, what the data had, and what the snapshot needs', () => {
    expect(neededBytes(10, { sizeBytes: 20 }, 15)).toBe(20);
    expect(neededBytes(30, { sizeBytes: 20 }, 15)).toBe(30);
    expect(neededBytes(10, {}, 15)).toBe(15);
  });
});
