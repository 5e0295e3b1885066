import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compareKeys } from '../../src/storage/keys.ts';
import { parseLocation } from '../../src/storage/location.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { all, collect, keysOf, MiB, patterned, withCode } from './object-store-helpers.ts';
import { describeAborts, describeStreams } from './object-store-streams.ts';

/** Where the stores under test come from: one server or directory for the whole suite. */
export interface StoreFixture {
  /** A store on a new, empty location. The suite closes it. */
  open(): Promise<ObjectStore>;
  stop(): Promise<void>;
  /** What has not happened that was to happen to the stores, once all tests were run. */
  unmet?(): readonly string[];
}

/** Everything that a repository relies on, of whatever store. Each test has a location of its own. */
export function describeObjectStore(name: string, start: () => Promise<StoreFixture>): void {
  describe(name, () => {
    let fixture: StoreFixture;
    let store: ObjectStore;
    beforeAll(async () => {
      fixture = await start();
    });
    // biome-ignore lint/correctness/noEmptyPattern: the runner takes nothing else for what comes before the suite
    afterAll(async ({}, suite) => {
      await fixture?.stop();
      if (suite.tasks.every(task => task.mode === 'run')) expect(fixture?.unmet?.() ?? []).toEqual([]);
    });
    beforeEach(async () => {
      store = await fixture.open();
    });
    afterEach(() => store.close());
    const current = () => store;

    describeContent(current);
    describeWriteOnce(current);
    describeLists(current);
    describeStreams(current);
    describeAborts(current);
    describeRefusals(current);
  });
}

function describeContent(store: () => ObjectStore): void {
  it.each([0, 1, 1000, 256 * 1024, 256 * 1024 + 1, 3 * MiB])('gives back an object of %i bytes', async size => {
    const content = randomBytes(size);
    expect(await store().put('a/b.bin', content)).toEqual({ bytes: size });
    expect(content.equals(await collect(store().get('a/b.bin')))).toBe(true);
    expect(await store().head('a/b.bin')).toMatchObject({ key: 'a/b.bin', bytes: size });
  });

  it('dates an object to when it was written', async () => {
    await store().put('a', Buffer.from('x'));
    const modified = (await store().head('a'))?.modified.getTime() ?? 0;
    expect(Math.abs(Date.now() - modified)).toBeLessThan(60_000);
  });

  it('reads any range, and of a range beyond the end what there is', async () => {
    const content = randomBytes(600_000);
    await store().put('object', content);
    const ranges: [number, number][] = [
      [0, 1],
      [0, 600_000],
      [100, 300_000],
      [599_999, 600_000],
      [599_990, 700_000],
      [600_000, 600_001],
      [5, 5],
    ];
    for (const [start, end] of ranges) {
      const part = await collect(store().get('object', { range: { start, end } }));
      expect(content.subarray(start, end).equals(part), `bytes ${start} to ${end}`).toBe(true);
    }
  });

  it('says of what is not there that it is not there', async () => {
    await store().put('there/one', Buffer.from('x'));
    for (const key of ['none', 'there', 'there/one/two', 'there/on']) {
      expect(await store().head(key), key).toBeUndefined();
      await expect(collect(store().get(key)), key).rejects.toEqual(withCode('STORE_NOT_FOUND'));
      await expect(collect(store().get(key, { range: { start: 3, end: 3 } })), key).rejects.toEqual(withCode('STORE_NOT_FOUND'));
    }
  });

  it('deletes once, twice, and lets the key be written anew', async () => {
    await store().put('a/b/c', Buffer.from('first'));
    await store().delete('a/b/c');
    await store().delete('a/b/c');
    await store().delete('never/was');
    expect(await store().head('a/b/c')).toBeUndefined();
    expect(await keysOf(store())).toEqual([]);
    expect(await all(store().listNames(''))).toEqual([]);
    await store().put('a/b/c', Buffer.from('second'));
    expect((await collect(store().get('a/b/c'))).toString()).toBe('second');
  });

  it('has an address that names the same location again', () => {
    expect(store().url).not.toMatch(/@|secret|key=/i);
    expect(() => parseLocation(store().url)).not.toThrow();
  });
}

function describeWriteOnce(store: () => ObjectStore): void {
  it('never overwrites', async () => {
    await store().put('a/b', Buffer.from('first'));
    await expect(store().put('a/b', Buffer.from('second'))).rejects.toEqual(withCode('STORE_EXISTS'));
    await expect(store().put('a/b', patterned(12 * MiB))).rejects.toEqual(withCode('STORE_EXISTS'));
    expect((await collect(store().get('a/b'))).toString()).toBe('first');
  });

  it('lets one of several writers at once win, with all of its bytes', async () => {
    const writers = Array.from({ length: 8 }, () => randomBytes(100_000));
    const outcomes = await Promise.allSettled(writers.map(content => store().put('contested', content)));
    const winners = outcomes.flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [index] : []));
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toEqual(withCode('STORE_EXISTS'));
    expect(writers[winners[0]!]!.equals(await collect(store().get('contested')))).toBe(true);
  });

  it('lets one of two large streams at once win', async () => {
    const outcomes = await Promise.allSettled([
      store().put('contested', patterned(17 * MiB)),
      store().put('contested', patterned(18 * MiB)),
    ]);
    const sizes = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value.bytes] : []));
    expect(sizes).toHaveLength(1);
    expect((await store().head('contested'))?.bytes).toBe(sizes[0]);
  });
}

/** In the order of their bytes: punctuation around `/`, spaces and signs that URLs and XML mind, and Unicode beyond 16 bits. */
const awkwardKeys = [
  'a!', 'a+b', 'a-b', 'a.b', 'a/b/c', 'a/b/d', 'a/b0', 'a/c', 'a0', 'a&<">b', 'b %2f#?=', 'b\'"', 'z', '~', 'ä', 'é', 'e\u0301', '日本/語', '\ue000', '\uffee', '😀', '😀/x',
].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))); // biome-ignore format: a list

function describeLists(store: () => ObjectStore): void {
  const write = (keys: readonly string[]) => Promise.all(keys.map(key => store().put(key, Buffer.from(key))));

  it('lists in the order of the UTF-8 bytes, with sizes', async () => {
    const keys = awkwardKeys.filter(key => key !== '😀');
    await write(keys);
    const found = await all(store().list(''));
    expect(found.map(object => object.key)).toEqual(keys);
    for (const object of found) expect(object.bytes).toBe(Buffer.byteLength(object.key));
    for (const key of keys) expect((await collect(store().get(key))).toString()).toBe(key);
  });

  it('lists what begins with a prefix and comes after a key', async () => {
    const keys = awkwardKeys.filter(key => key !== '😀');
    await write(keys);
    for (const prefix of ['a', 'a/', 'a/b', 'a/b/', 'a/b/c', 'b ', '日', '日本/', 'none', 'none/']) {
      expect(await keysOf(store(), prefix), `prefix ${prefix}`).toEqual(keys.filter(key => key.startsWith(prefix)));
    }
    for (const after of ['a/b/c', 'a/', 'a/b', 'a', 'a/c', 'a0', '~', '日本/語', '😀/x']) {
      const expected = keys.filter(key => compareKeys(key, after) > 0);
      expect(await keysOf(store(), '', after), `after ${after}`).toEqual(expected);
      expect(await keysOf(store(), 'a', after), `a… after ${after}`).toEqual(expected.filter(key => key.startsWith('a')));
    }
  });

  it('names what lies directly below a prefix', async () => {
    await write(['backups/2/manifest.json', 'backups/1/index', 'backups/1/shard', 'backups/10', 'backups-old/x', 'holdfast.json']);
    expect(await all(store().listNames(''))).toEqual(['backups-old/', 'backups/', 'holdfast.json']);
    expect(await all(store().listNames('backups/'))).toEqual(['1/', '10', '2/']);
    expect(await all(store().listNames('backups/1/'))).toEqual(['index', 'shard']);
    expect(await all(store().listNames('none/'))).toEqual([]);
    expect(await all(store().listNames('', { startAfter: 'backups-old/' }))).toEqual(['backups/', 'holdfast.json']);
    expect(await all(store().listNames('backups/', { startAfter: '1/' }))).toEqual(['10', '2/']);
    expect(await all(store().listNames('backups/', { startAfter: '10' }))).toEqual(['2/']);
    expect(await all(store().listNames('backups/', { startAfter: '2/' }))).toEqual([]);
  });

  it('lists more than a page, from the start and from the middle', async () => {
    const keys = Array.from({ length: 1_105 }, (_, i) => `many/${String(i).padStart(5, '0')}${i % 2 === 0 ? '' : '/x'}`);
    for (let at = 0; at < keys.length; at += 32) await write(keys.slice(at, at + 32));
    expect(await keysOf(store(), 'many/')).toEqual(keys);
    expect(await keysOf(store(), 'many/', keys[50]!)).toEqual(keys.slice(51));
    expect(await all(store().listNames('many/'))).toEqual(keys.map(key => key.replace(/^many\/(\d+)(\/)?.*/, '$1$2')));
  });

  it('ends a list that is left early', async () => {
    await write(['a', 'b', 'c']);
    for await (const object of store().list('')) {
      expect(object.key).toBe('a');
      break;
    }
    expect(await keysOf(store())).toEqual(['a', 'b', 'c']);
  });
}

function describeRefusals(store: () => ObjectStore): void {
  it.each([
    '',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/../../b',
    'a/..',
    './a',
    'a\0b',
    'a\nb',
    '\ud800',
    '.holdfast-x',
    'a/.holdfast-x',
    'x'.repeat(300),
    'x/'.repeat(600),
  ])('refuses the key %j in every call', async key => {
    await expect(store().put(key, Buffer.from('x'))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await expect(collect(store().get(key))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await expect(store().head(key)).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await expect(store().delete(key)).rejects.toEqual(withCode('STORE_FORBIDDEN'));
  });

  it.each(['/', '../', '..//', 'a/../', 'a//', './'])('refuses to list below %j', async prefix => {
    await expect(all(store().list(prefix))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await expect(all(store().listNames(prefix))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
  });
}
