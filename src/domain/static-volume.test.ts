import { describe, expect, it } from 'vitest';
import type { JsonObject } from './json.ts';
import { findStaticVolume, type StaticWish } from './static-volume.ts';

const place = { namespace: 'agents', claim: 'workspace' };

function volume(name: string, spec: JsonObject = {}, labels: JsonObject = {}): JsonObject {
  const usual = { capacity: { storage: '10Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: 'disks' };
  return { metadata: { name, labels }, spec: { ...usual, ...spec } };
}

const reservedFor = (namespace: string, name: string) => ({ claimRef: { namespace, name } });

function find(volumes: readonly JsonObject[], change: Partial<StaticWish> = {}, taken: readonly string[] = []) {
  const usual = { storageClass: 'disks', mode: 'Filesystem', accessModes: ['ReadWriteOnce'], bytes: 2 ** 30 } as const;
  const holders = [place, { namespace: 'holdfast', claim: 'holdfast-restore-1' }];
  return findStaticVolume(volumes, { ...usual, place, holders, ...change }, new Set(taken));
}

describe('the volume that a claim can have of those that are there', () => {
  it('is the one that is reserved for it, then the one that it had, then the smallest', () => {
    const all = [
      volume('large'),
      volume('had'),
      volume('small', { capacity: { storage: '2Gi' } }),
      volume('reserved', reservedFor('agents', 'workspace')),
    ];
    expect(find(all, { before: 'had' })).toEqual({ name: 'reserved' });
    expect(find(all.slice(0, 3), { before: 'had' })).toEqual({ name: 'had' });
    expect(find(all.slice(0, 3), { before: 'gone' })).toEqual({ name: 'small' });
    expect(find(all.slice(0, 3), {}, ['small'])).toEqual({ name: 'had' });
  });

  it('may be held by the temporary claim of an earlier run', () => {
    expect(find([volume('a', reservedFor('holdfast', 'holdfast-restore-1'))])).toEqual({ name: 'a' });
  });

  it('is chosen by the selector of the claim', () => {
    const all = [volume('a', {}, { tier: 'slow' }), volume('b', {}, { tier: 'fast' })];
    expect(find(all, { selector: { matchLabels: { tier: 'fast' } } })).toEqual({ name: 'b' });
    expect(find(all, { selector: { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['fast'] }] } })).toEqual({ name: 'a' });
  });

  it.each([
    ['it belongs to the claim other/claim', reservedFor('other', 'claim'), {}],
    ['it is of class "", and the claim of "disks"', { storageClassName: '' }, {}],
    ['it is of volumeMode Block, and the claim of Filesystem', { volumeMode: 'Block' }, {}],
    ['it is not ReadWriteMany', {}, { accessModes: ['ReadWriteMany'] }],
    ['it has 10737418240 bytes, and 12884901888 are needed', {}, { bytes: 12 * 2 ** 30 }],
    ['the selector of the claim does not choose it', {}, { selector: { matchLabels: { a: 'b' } } }],
  ] as const)('is none of which one can say: %s', (why, spec, wish) => {
    const all = [volume('a', spec)];
    expect(find(all, { ...wish, volumeName: 'a' })).toBe(`the volume a that it names cannot be its own: ${why}`);
    expect(find(all, wish)).toBe('nothing makes volumes of class disks, and none that is there fits and is free');
  });

  it('is not another one than the claim names', () => {
    expect(find([volume('a')], { volumeName: 'b' })).toBe('the volume b that it names is not in this cluster');
    expect(find([volume('a')], { volumeName: 'a' }, ['a'])).toMatch(/another claim of this restore gets it/);
    expect(find([volume('a')], { volumeName: 'a' })).toEqual({ name: 'a' });
  });
});
