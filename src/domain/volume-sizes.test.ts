import { describe, expect, it } from 'vitest';
import type { JsonObject } from './json.ts';
import type { VolumeDataRecord, VolumeRecord } from './volume.ts';
import { checkVolumeSizes, mapVolumeSize, sizeOf } from './volume-sizes.ts';

const data: VolumeDataRecord = {
  ...{ repository: 'volumes/agents/workspace/', snapshot: 'a'.repeat(64), source: 'snapshot' },
  ...{ files: 3, bytes: 2 ** 30, addedBytes: 100, durationMs: 5 },
};
const volumes: VolumeRecord[] = [
  { namespace: 'agents', claim: 'workspace', state: 'captured', reason: '', data },
  { namespace: 'agents', claim: 'cache', state: 'not-protected', reason: 'left out' },
];
const refusal = (sizes: Record<string, string>) => {
  try {
    checkVolumeSizes(volumes, sizes);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
};

describe('sizes of restored claims', () => {
  it('are larger or smaller than they were, as long as the data has room', () => {
    expect(refusal({ 'agents/workspace': '20Gi', 'agents/cache': '1Ki' })).toBeUndefined();
    expect(refusal({ 'agents/workspace': '1Gi' })).toBeUndefined();
    expect(sizeOf({ 'agents/workspace': '1Gi' }, { namespace: 'agents', claim: 'workspace' })).toBe(2 ** 30);
    expect(sizeOf({ 'agents/workspace': '1Gi' }, { namespace: 'agents', claim: 'cache' })).toBeUndefined();
  });

  it('are refused where the data would have no room, with both numbers', () => {
    expect(refusal({ 'agents/workspace': '1G' })).toMatchObject({
      code: 'VOLUME_FULL',
      message: 'persistentvolumeclaims agents/workspace shall have 1000000000 bytes (1G), and its data takes 1073741824',
    });
  });

  it.each([
    ['agents/other', '1Gi', /agents\/other, of which the backup says nothing/],
    ['agents/workspace', 'large', /"large" is no size/],
    ['agents/workspace', '-1Gi', /"-1Gi" is no size/],
  ])('are refused as %s=%s', (claim, size, message) => {
    expect(refusal({ [claim]: size })).toMatchObject({ code: 'USAGE', message: expect.stringMatching(message) });
  });

  it('are what claims of the set ask for, and change nothing else', () => {
    const claim = (name: string): JsonObject => ({
      metadata: { namespace: 'agents', name },
      spec: { storageClassName: 'fast', resources: { requests: { storage: '10Gi', other: '1' }, limits: { storage: '30Gi' } } },
    });
    const [workspace, cache] = [claim('workspace'), claim('cache')];
    const kind = { group: '', resource: 'persistentvolumeclaims' };
    for (const object of [workspace, cache]) mapVolumeSize(kind, object, { 'agents/workspace': '20Gi' });
    expect(workspace['spec']).toEqual({
      storageClassName: 'fast',
      resources: { requests: { storage: '20Gi', other: '1' }, limits: { storage: '30Gi' } },
    });
    expect(cache).toEqual(claim('cache'));
    const pod = { metadata: { namespace: 'agents', name: 'workspace' }, spec: {} };
    mapVolumeSize({ group: '', resource: 'pods' }, pod, { 'agents/workspace': '20Gi' });
    expect(pod.spec).toEqual({});
  });
});
