import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configMap, makeRepository, type TestRepository, writeSet } from '../../test/contract/repository-fixture.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { manifestKey } from './layout.ts';
import { openLiveCatalog } from './live-catalog.ts';

describe('the live catalog', () => {
  let location: TestRepository;
  let reads: string[];
  const counted = () => {
    const { store } = location.repository;
    const counting: ObjectStore = {
      ...store,
      listNames: (...args) => store.listNames(...args),
      get: (key, options) => {
        reads.push(key);
        return store.get(key, options);
      },
    };
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
});
