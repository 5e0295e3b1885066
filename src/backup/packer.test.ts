import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { IndexEntry } from '../domain/backup-set.ts';
import type { ResourceKind } from '../domain/resource.ts';
import { everything } from '../domain/selection.ts';
import { createIndexWriter } from '../repository/index-writer.ts';
import { createShardBuilder } from '../repository/shard-builder.ts';
import { claimDigest } from '../volumes/labels.ts';
import type { ItemsKind, KindTally } from './archive-protocol.ts';
import { createPacker } from './packer.ts';
import { freshName } from './volumes/context.ts';

const volumes: ResourceKind = {
  ...{ group: '', version: 'v1', resource: 'persistentvolumes', kind: 'PersistentVolume' },
  ...{ namespaced: false, verbs: ['list', 'create', 'watch'], subresources: [] },
};
const contents: ResourceKind = {
  ...volumes,
  ...{ group: 'snapshot.storage.k8s.io', resource: 'volumesnapshotcontents', kind: 'VolumeSnapshotContent' },
};

const random = (bytes: number) => new Uint8Array(bytes).fill(0xab);
const own = freshName(
  { runtime: { now: () => new Date(0), random, sleep: async () => {} } },
  claimDigest({ namespace: 'agents', claim: 'a' }),
);
const volume = (name: string, claim: string, namespace = 'agents') => ({
  ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name, uid: name, labels: { zone: 'a' } } },
  spec: { capacity: { storage: '1Gi' }, claimRef: { namespace, name: claim } },
});

interface Packed extends KindTally {
  /** Names in the order of the index; what was taken back has a minus before it. */
  readonly names: readonly string[];
}

const configMaps: ResourceKind = { ...volumes, resource: 'configmaps', kind: 'ConfigMap', namespaced: true };
const configMap = (name: string, labels: Record<string, string> = {}) => ({
  ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'agents', uid: name, labels } },
});
/** Labelled so, it is none of what a backup holds. */
const notice = { 'holdfast.dev/state': 'notices' };

/** By the real builders of shards and index, in memory. */
async function pack(kind: ResourceKind, ...attempts: readonly (readonly (readonly [ItemsKind, ...object[]])[])[]): Promise<Packed> {
  let index = Buffer.alloc(0);
  const builder = (shardClass: 'resources' | 'secrets') =>
    createShardBuilder({
      ...{ class: shardClass, recipients: [], nameOf: n => `${shardClass}-${n}`, onShard: async () => {} },
      ...(shardClass === 'secrets' && { digestKey: new Uint8Array(32) }),
    });
  const packer = createPacker({
    settings: { kinds: [kind], selection: everything, recipients: [], sealIndex: false, digestKey: new Uint8Array(32) },
    resources: builder('resources'),
    secrets: builder('secrets'),
    index: createIndexWriter({
      ...{ recipients: [], sealIndex: false },
      onPart: async ({ bytes }) => {
        index = Buffer.concat([index, zstdDecompressSync(bytes)]);
      },
    }),
  });
  const steps = attempts.flatMap((of, i) => of.map(([items, ...objects]) => ({ items, objects, attempt: i + 1 })));
  for (const { items, objects, attempt } of steps) {
    const texts = objects.map(object => Buffer.from(JSON.stringify(object)));
    let end = 0;
    const ends = texts.map(text => (end += text.length));
    await packer.add({ type: 'items', items, kind: 0, attempt, buffer: new Uint8Array(Buffer.concat(texts)), ends });
  }
  const { tallies } = await packer.finish();
  const lines = index
    .toString('utf8')
    .split('\n')
    .filter(line => line !== '');
  const entries = lines.map(line => JSON.parse(line) as IndexEntry);
  return { ...tallies[0]!, names: entries.map(({ name, gone }) => (gone === true ? `-${name}` : name)) };
}

describe('what a backup leaves out of itself', () => {
  it('is the volume of a claim of its own, which says so nowhere but in its claim', async () => {
    const { count, names, excluded } = await pack(volumes, [
      ['list', volume('pv-agent', 'workspace'), volume('pv-mover', own, 'holdfast'), volume('pv-like', 'holdfast-data', 'holdfast')],
    ]);
    expect([count, names]).toEqual([2, ['pv-agent', 'pv-like']]);
    expect(excluded).toEqual({ 'made by Holdfast itself to move or keep the data of volumes': 1 });
  });

  it('is the content of a snapshot of its own, before it has a label', async () => {
    const content = (name: string, snapshot: string) => ({
      ...{ apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshotContent', metadata: { name, uid: name } },
      spec: { volumeSnapshotRef: { namespace: 'agents', name: snapshot } },
    });
    expect(await pack(contents, [['list', content('snapcontent-1', own), content('snapcontent-2', 'nightly')]])).toMatchObject({
      ...{ count: 1, names: ['snapcontent-2'] },
    });
  });

  it('is also what came and went while it was read', async () => {
    const its = volume('pv-mover', own, 'holdfast');
    const packed = await pack(volumes, [
      ['list', volume('pv-agent', 'workspace')],
      ['added', its],
      ['modified', its],
      ['deleted', its],
    ]);
    expect(packed).toMatchObject({ count: 1, names: ['pv-agent'] });
  });

  it('is not a volume that a restore hands to its claim meanwhile', async () => {
    const filling = volume('pv-restore', own, 'holdfast');
    const handed = volume('pv-restore', 'workspace');
    const kept = await pack(volumes, [
      ['list', filling],
      ['modified', handed],
      ['modified', handed],
    ]);
    expect(kept).toMatchObject({ count: 1, names: ['pv-restore', 'pv-restore'] });
    expect(
      await pack(volumes, [
        ['list', filling],
        ['deleted', handed],
      ]),
    ).toMatchObject({ count: 0 });
  });
});

describe('a rule that begins or ceases to hold while a backup runs', () => {
  const reason = 'what Holdfast remembers of its own notices';

  it('takes an object out of the set again', async () => {
    const packed = await pack(configMaps, [
      ['list', configMap('a'), configMap('b')],
      ['modified', configMap('b', notice)],
      ['modified', configMap('b', notice)],
    ]);
    expect(packed).toMatchObject({ count: 1, names: ['a', 'b', '-b'], excluded: { [reason]: 1 } });
  });

  it('brings an object into the set', async () => {
    const packed = await pack(configMaps, [
      ['list', configMap('a'), configMap('b', notice)],
      ['modified', configMap('b')],
    ]);
    expect(packed).toMatchObject({ count: 2, names: ['a', 'b'], excluded: {} });
  });

  it('counts right whatever the object was when it was deleted', async () => {
    const out = await pack(configMaps, [
      ['list', configMap('a'), configMap('b')],
      ['deleted', configMap('b', notice)],
    ]);
    expect(out).toMatchObject({ count: 1, names: ['a', 'b', '-b'], excluded: {} });
    const back = await pack(configMaps, [
      ['list', configMap('a'), configMap('b', notice)],
      ['deleted', configMap('b')],
      ['added', configMap('b')],
    ]);
    expect(back).toMatchObject({ count: 2, names: ['a', 'b'], excluded: {} });
  });

  it('counts anew when the kind is read anew', async () => {
    const packed = await pack(configMaps, [['list', configMap('b', notice)]], [['list', configMap('a')]]);
    expect(packed).toMatchObject({ count: 1, excluded: {} });
  });
});
