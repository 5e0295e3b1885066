import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { newKeys } from '../../test/contract/repository-fixture.ts';
import { open } from '../crypto/age.ts';
import { sha256Hex } from '../crypto/digest.ts';
import type { ShardRecord } from '../domain/backup-set.ts';
import { createShardBuilder, type ShardBuilderOptions } from './shard-builder.ts';

const run = promisify(execFile);
const ref = (name: string) => ({ group: '', version: 'v1', resource: 'configmaps', namespace: 'agents', name });
/** Of a zstd frame's descriptor (RFC 8878, 3.1.1.1.1). */
const contentChecksum = 4;
const json = Buffer.from('{"kind":"ConfigMap"}');

interface Stored {
  readonly record: ShardRecord;
  readonly bytes: Uint8Array;
}

function builder(options: Partial<ShardBuilderOptions> = {}): { stored: Stored[]; build: ReturnType<typeof createShardBuilder> } {
  const stored: Stored[] = [];
  const build = createShardBuilder({
    class: 'resources',
    recipients: [],
    nameOf: n => `resources-${n}`,
    onShard: async shard => void stored.push(shard),
    ...options,
  });
  return { stored, build };
}

describe('a shard', () => {
  it('is tar, zstd and age: what its record says of it is so, and tar lists its objects in order', async () => {
    const keys = await newKeys();
    const { stored, build } = builder({ recipients: [keys.recipient] });
    for (const name of ['b', 'a', 'c']) await build.add(ref(name), 'ConfigMap', json, { uid: name });
    await build.finish();
    const [shard] = stored;
    expect(stored.length).toBe(1);
    expect(shard!.record.sha256).toBe(sha256Hex(shard!.bytes));
    expect(shard!.record).toMatchObject({ name: 'resources-1', class: 'resources', bytes: shard!.bytes.length, entries: 3 });
    const compressed = await open([keys.identity], shard!.bytes);
    expect(compressed[4]! & contentChecksum).toBe(contentChecksum);
    const tar = zstdDecompressSync(compressed);
    expect(tar.length).toBe(shard!.record.tarBytes);
    const listing = run('tar', ['-tf', '-']);
    listing.child.stdin?.end(tar);
    expect((await listing).stdout.trim().split('\n')).toEqual(['b', 'a', 'c'].map(name => `core/v1/configmaps/agents/${name}.json`));
  });

  it('is cut at its compressed size', async () => {
    const { stored, build } = builder({ targetBytes: 500_000 });
    for (let i = 0; i < 1000; i++) {
      const data = Buffer.from(JSON.stringify({ data: Array.from({ length: 100 }, (_, j) => sha256Hex(`${i}.${j}`)).join('') }));
      await build.add(ref(`cm-${i}`), 'ConfigMap', data, { uid: '' });
    }
    await build.finish();
    expect(stored.length).toBeGreaterThan(3);
    expect(stored.map(shard => shard.record.name)).toEqual(stored.map((_, i) => `resources-${i + 1}`));
    expect(stored.reduce((sum, shard) => sum + shard.record.entries, 0)).toBe(1000);
    for (const { record } of stored.slice(0, -1)) expect(record.bytes).toBeLessThan(1_000_000);
  });

  it('copies what it is given: the buffer may be used again at once', async () => {
    const { stored, build } = builder();
    const shared = Buffer.from('{"a":1}');
    await build.add(ref('a'), 'ConfigMap', shared, { uid: '' });
    shared.fill('x');
    await build.finish();
    expect(zstdDecompressSync(stored[0]!.bytes).includes('{"a":1}')).toBe(true);
  });

  it('does not come into being without an object', async () => {
    const { stored, build } = builder({ class: 'secrets', digestKey: new Uint8Array(32) });
    await build.finish();
    expect(stored).toEqual([]);
  });
});

describe('an index line', () => {
  it('describes the object and names its shard; what is absent is left out', async () => {
    const { build } = builder();
    const entry = await build.add(ref('a'), 'ConfigMap', json, { uid: 'u1' });
    expect(entry).toEqual({
      ...ref('a'),
      kind: 'ConfigMap',
      uid: 'u1',
      digest: `sha256:${sha256Hex(json)}`,
      size: json.length,
      shard: 'resources-1',
    });
    expect(await build.add(ref('a'), 'ConfigMap', json, { uid: 'u1', owners: ['o1'], attempt: 2 }, true)).toMatchObject({
      owners: ['o1'],
      attempt: 2,
      fix: true,
    });
    await build.finish();
  });
});

describe('a builder', () => {
  it('keeps Secrets and all else apart, and wants a digest key for Secrets', async () => {
    const secretRef = { ...ref('s'), resource: 'secrets' };
    expect(() => builder().build.add(secretRef, 'Secret', json, { uid: '' })).toThrow(/does not belong/);
    const secrets = builder({ class: 'secrets', digestKey: new Uint8Array(32) });
    expect(() => secrets.build.add(ref('a'), 'ConfigMap', json, { uid: '' })).toThrow(/does not belong/);
    expect(() => builder({ class: 'secrets' })).toThrow(/digest key/);
  });

  it('waits for a store that is behind: one shard fills while one is stored', async () => {
    let release: () => void = () => {};
    let begun = 0;
    const { build } = builder({
      maxTarBytes: 1,
      onShard: () => {
        begun++;
        return new Promise(resolve => {
          release = resolve;
        });
      },
    });
    await build.add(ref('a'), 'ConfigMap', json, { uid: '' });
    let added = false;
    const second = Promise.resolve(build.add(ref('b'), 'ConfigMap', json, { uid: '' })).then(() => {
      added = true;
    });
    await expect.poll(() => begun).toBe(1);
    expect(added).toBe(false);
    release();
    await second;
    await expect.poll(() => begun).toBe(2);
    release();
    await build.finish();
  });

  it('reports the failure of a store to the next call, and stores nothing after it', async () => {
    let calls = 0;
    const failure = new Error('disk full');
    const { build } = builder({
      maxTarBytes: 1,
      onShard: () => {
        calls++;
        return Promise.reject(failure);
      },
    });
    const adding = async () => {
      for (const name of ['a', 'b', 'c', 'd']) await build.add(ref(name), 'ConfigMap', json, { uid: '' });
    };
    await expect(adding()).rejects.toBe(failure);
    await expect(build.finish()).rejects.toBe(failure);
    expect(calls).toBe(1);
  });
});
