import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configMap, makeRepository, type TestRepository, wrapStore, writeSet } from '../../test/contract/repository-fixture.ts';
import { manifestKey } from './layout.ts';
import { openLiveCatalog } from './live-catalog.ts';
import { readBytes } from './read-bytes.ts';

describe('the live catalog', () => {
  let location: TestRepository;
  let reads: string[];
  const counted = () => {
    const { store } = location.repository;
    const counting = wrapStore(store, {
      get: (key, options) => {
        reads.push(key);
        return store.get(key, options);
      },
    });
    return openLiveCatalog({ ...location.repository, store: counting });
  };
  const add = (id: string, halfWritten = false) =>
    writeSet(location.repository, location.keys, { id, objects: [configMap('a')], halfWritten });

  beforeEach(async () => {
    location = await makeRepository();
    reads = [];
  });
  afterEach(() => location.remove());

  it('knows what is there after a refresh, oldest first, and reads each manifest once', async () => {
    await add('20261120T020000Z-daily-bbbb');
    await add('20261119T020000Z-daily-aaaa');
    const catalog = counted();
    expect(catalog.sets()).toEqual([]);
    expect(await Promise.all([catalog.refresh(), catalog.refresh()])).toEqual([true, true]);
    expect(catalog.sets().map(set => set.id.slice(-4))).toEqual(['aaaa', 'bbbb']);
    await add('20261121T020000Z-daily-cccc');
    expect(await catalog.refresh()).toBe(true);
    expect(await catalog.refresh()).toBe(false);
    expect(catalog.sets().map(set => set.id.slice(-4))).toEqual(['aaaa', 'bbbb', 'cccc']);
    expect(reads).toHaveLength(3);
  });

  it('forgets sets that were deleted, and tells that something changed', async () => {
    await add('20261119T020000Z-daily-aaaa');
    await add('20261120T020000Z-daily-bbbb');
    const catalog = counted();
    await catalog.refresh();
    const before = catalog.version();
    for await (const { key } of location.repository.store.list('backups/20261119T020000Z-daily-aaaa/'))
      await location.repository.store.delete(key);
    expect(await catalog.refresh()).toBe(true);
    expect(catalog.version()).toBeGreaterThan(before);
    expect(catalog.get('20261119T020000Z-daily-aaaa')).toBeUndefined();
  });

  it('takes a half-written set in when its manifest is there', async () => {
    await add('20261119T020000Z-daily-aaaa', true);
    const catalog = counted();
    expect(await catalog.refresh()).toBe(false);
    await location.repository.store.put(manifestKey('20261119T020000Z-daily-aaaa'), Buffer.from('{}\n{}\n'));
    expect(await catalog.refresh()).toBe(true);
    expect(catalog.get('20261119T020000Z-daily-aaaa')?.phase).toBe('Unreadable');
  });

  it('keeps what it knew while the store is away', async () => {
    await add('20261119T020000Z-daily-aaaa');
    const catalog = counted();
    await catalog.refresh();
    await expect(catalog.refresh({ signal: AbortSignal.abort(new Error('away')) })).rejects.toThrow('away');
    expect(catalog.sets()).toHaveLength(1);
  });

  it('does not fail those who share a look when the one who began it goes', async () => {
    await add('20261119T020000Z-daily-aaaa');
    const goOn = Promise.withResolvers<void>();
    const { store } = location.repository;
    const slow = wrapStore(store, {
      listNames: async function* (prefix, options) {
        await goOn.promise;
        options?.signal?.throwIfAborted();
        yield* store.listNames(prefix, options);
      },
    });
    const catalog = openLiveCatalog({ ...location.repository, store: slow });
    const leaving = new AbortController();
    const both = [catalog.refresh({ signal: leaving.signal }), catalog.refresh()] as const;
    leaving.abort(new Error('gone'));
    goOn.resolve();
    await expect(both[0]).rejects.toThrow('gone');
    expect(await both[1]).toBe(true);
    expect(catalog.sets()).toHaveLength(1);
  });

  it('sees a set that somebody else is deleting when it looks thoroughly, and at once when it is told', async () => {
    const ids = ['20261119T020000Z-daily-aaaa', '20261120T020000Z-daily-bbbb', '20261121T020000Z-daily-cccc'] as const;
    for (const id of ids) await add(id);
    const catalog = counted();
    await catalog.refresh();
    for (const id of ids.slice(0, 2)) await location.repository.store.delete(manifestKey(id));
    catalog.forget(ids[0]);
    expect(catalog.sets().map(set => set.id)).toEqual([ids[1], ids[2]]);
    expect(await catalog.refresh()).toBe(false);
    expect(await catalog.refresh({ thorough: true })).toBe(true);
    expect(catalog.sets().map(set => set.id)).toEqual([ids[2]]);
  });

  it('looks for recent sets alone when asked so: new ones, and recent ones that are gone, and leaves all others as they are', async () => {
    const old = ['20260101T020000Z-daily-aaaa', '20260102T020000Z-daily-bbbb'] as const;
    for (const id of [...old, '20261119T020000Z-daily-cccc']) await add(id);
    const names: (string | undefined)[] = [];
    const { store } = location.repository;
    const listing = wrapStore(store, {
      listNames: (prefix, options) => {
        names.push(options?.startAfter);
        return store.listNames(prefix, options);
      },
    });
    const catalog = openLiveCatalog({ ...location.repository, store: listing });
    const recent = new Date('2026-11-20T02:00:00Z');
    // Of nothing that is known nothing is recent.
    expect(await catalog.refresh({ recent })).toBe(true);
    expect(catalog.sets()).toHaveLength(3);
    expect(await catalog.refresh({ recent })).toBe(false);
    expect(names.slice(-2)).toEqual([undefined, '20261112T020000Z']);
    await add('20261120T020000Z-daily-dddd');
    for (const id of [old[0], '20261119T020000Z-daily-cccc'])
      for await (const { key } of store.list(`backups/${id}/`)) await store.delete(key);
    await store.delete(manifestKey(old[1]));
    expect(await catalog.refresh({ recent })).toBe(true);
    expect(catalog.sets().map(set => set.id.slice(-4))).toEqual(['aaaa', 'bbbb', 'dddd']);
    expect(await catalog.refresh()).toBe(true);
    expect(catalog.sets().map(set => set.id.slice(-4))).toEqual(['bbbb', 'dddd']);
  });

  it('is not led astray by the clock of a set that lies in the future, nor by its own', async () => {
    await add('20261119T020000Z-daily-aaaa');
    await add('20400101T000000Z-daily-zzzz');
    const catalog = counted();
    await catalog.refresh();
    await add('20261120T020000Z-daily-bbbb');
    expect(await catalog.refresh({ recent: new Date('2026-11-20T03:00:00Z') })).toBe(true);
    await location.remove();
    location = await makeRepository();
    await add('20261119T020000Z-daily-aaaa');
    const ahead = counted();
    await ahead.refresh();
    await add('20261120T020000Z-daily-bbbb');
    expect(await ahead.refresh({ recent: new Date('2031-01-01T00:00:00Z') })).toBe(true);
    expect(ahead.sets().map(set => set.id.slice(-4))).toEqual(['aaaa', 'bbbb']);
  });

  it('reads a set again that could not be read, and takes it in when it was put right', async () => {
    const id = '20261119T020000Z-daily-aaaa';
    await add(id);
    const { store } = location.repository;
    const whole = (await readBytes(store, manifestKey(id), 1e7, {}))!;
    await store.delete(manifestKey(id));
    await store.put(manifestKey(id), Buffer.from('{}\n{}\n'));
    const catalog = counted();
    await catalog.refresh();
    expect(catalog.get(id)?.phase).toBe('Unreadable');
    expect(await catalog.refresh()).toBe(false);
    await store.delete(manifestKey(id));
    await store.put(manifestKey(id), whole);
    expect(await catalog.refresh()).toBe(true);
    expect(catalog.get(id)?.phase).toBe('Completed');
  });

  it('has one etag for the same sets in any process, and another for others', async () => {
    await add('20261119T020000Z-daily-aaaa');
    const [one, other] = [counted(), counted()];
    const empty = one.etag();
    await Promise.all([one.refresh(), other.refresh()]);
    expect(one.etag()).toBe(other.etag());
    expect(one.etag()).not.toBe(empty);
    await add('20261120T020000Z-daily-bbbb');
    await one.refresh();
    expect(one.etag()).not.toBe(other.etag());
  });
});
