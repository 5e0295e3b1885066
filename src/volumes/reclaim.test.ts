import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../domain/json.ts';
import { discardPatch, letGo, readTaken } from './reclaim.ts';

const made: JsonObject = { metadata: { name: 'pvc-1', uid: 'u1' }, spec: { persistentVolumeReclaimPolicy: 'Retain' } };

function taken(claimRef: JsonObject | null): JsonObject {
  const annotations = {
    'holdfast.dev/taken': JSON.stringify({ at: '2026-11-27T02:00:00.000Z', claimRef }),
    'holdfast.dev/reclaim-policy': 'Delete',
  };
  return { metadata: { name: 'nfs-1', uid: 'u2', annotations }, spec: { persistentVolumeReclaimPolicy: 'Retain' } };
}

describe('a volume that is not wanted any more', () => {
  it('is deleted where it was made for a restore', () => {
    expect(letGo(made)).toEqual({ spec: { persistentVolumeReclaimPolicy: 'Delete' } });
    expect(discardPatch(made, 'holdfast')).toEqual({
      spec: {
        persistentVolumeReclaimPolicy: 'Delete',
        claimRef: {
          ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'holdfast', name: 'pvc-1', uid: 'u1' },
          resourceVersion: null,
        },
      },
    });
  });

  it('is given back where it was there before: its policy, and who it was reserved for', () => {
    expect(letGo(taken(null))).toEqual({});
    expect(discardPatch(taken(null), 'holdfast')).toMatchObject({
      metadata: { annotations: { 'holdfast.dev/taken': null, 'holdfast.dev/reclaim-policy': null, 'holdfast.dev/filled': null } },
      spec: { persistentVolumeReclaimPolicy: 'Delete', claimRef: null },
    });
    const reserved = { namespace: 'agents', name: 'workspace' };
    expect(discardPatch(taken(reserved), 'holdfast')).toMatchObject({ spec: { claimRef: { ...reserved, uid: null } } });
  });

  it('is as old as what was done with it', () => {
    expect(readTaken(made)).toBeUndefined();
    expect(readTaken(undefined)).toBeUndefined();
    expect(readTaken(taken(null))?.at).toBe('2026-11-27T02:00:00.000Z');
  });
});
