import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configMap, makeRepository, type TestRepository, wrapStore, writeSet } from '../../test/contract/repository-fixture.ts';
import { generateSigningKey } from '../crypto/signing.ts';
import { HoldfastError } from '../domain/errors.ts';
import { openLiveCatalog } from './live-catalog.ts';
import { readBytes } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { encodeSigned } from './signed-file.ts';

const day = 24 * 3_600_000;

describe('a snapshot of the catalog', () => {
  let location: TestRepository;
  let reads: string[];
  let notices: string[];
  let at: number;
  const runtime = { now: () => new Date(at) };

  const repository = (): Repository => ({
    ...location.repository,
    store: wrapStore(location.repository.store, {
      get: (key, options) => {
        if (key.startsWith('backups/')) reads.push(key);
        return location.repository.store.get(key, options);
      },
    }),
  });
  const start = async (trusted: readonly string[] = [location.keys.publicPem]) => {
    reads = [];
    const catalog = openLiveCatalog(repository(), { trusted, onNotice: notice => notices.push(notice) });
    await catalog.refresh();
    return catalog;
  };
  const add = async (number: number, signedBy = location.keys) => {
    const id = `202611${String(10 + number)}T020000Z-daily-aaaa`;
    await writeSet(location.repository, { ...location.keys, privatePem: signedBy.privatePem }, { id, objects: [configMap('a')] });
    return id;
  };
  const writing = () => ({ signingKey: location.keys.privatePem, runtime });
  const stored = () => Array.fromAsync(location.repository.store.listNames('catalog/'));
  const replace = async (name: string, bytes: Uint8Array) => {
    await location.repository.store.delete(`catalog/${name}`);
    await location.repository.store.put(`catalog/${name}`, bytes);
  };

  beforeEach(async () => {
    location = await makeRepository();
    [reads, notices, at] = [[], [], Date.parse('2026-11-24T04:15:00Z')];
  });
  afterEach(() => location.remove());

  it('lets a start read only what it lacks, and tell the same as without it', async () => {
    for (const number of [1, 2, 3]) await add(number);
    expect(await (await start()).keepSnapshot(writing())).toBe(true);
    expect(await stored()).toEqual(['20261124T041500Z.ndjson.zst']);
    await add(4);
    const quick = await start();
    expect(reads).toEqual([expect.stringContaining('20261114')]);
    await location.repository.store.delete('catalog/20261124T041500Z.ndjson.zst');
    const slow = await start();
    expect(reads).toHaveLength(4);
    expect(quick.sets()).toEqual(slow.sets());
    expect(notices).toEqual([]);
  });

  it('brings no set back that was deleted since', async () => {
    const gone = await add(1);
    await add(2);
    await (await start()).keepSnapshot(writing());
    for await (const { key } of location.repository.store.list(`backups/${gone}/`)) await location.repository.store.delete(key);
    expect((await start()).sets()).toHaveLength(1);
  });

  it('is written again when a day old and different, or when it lacks a hundred sets, and two are kept', async () => {
    await add(1);
    const catalog = await start();
    expect(await catalog.keepSnapshot(writing())).toBe(true);
    await add(2);
    await catalog.refresh();
    at += day - 1000;
    expect(await catalog.keepSnapshot(writing())).toBe(false);
    for (const number of [3, 4]) {
      at += day;
      await add(number);
      await catalog.refresh();
      expect(await catalog.keepSnapshot(writing())).toBe(true);
    }
    expect(await stored()).toEqual(['20261126T041459Z.ndjson.zst', '20261127T041459Z.ndjson.zst'].map(name => expect.stringMatching(name)));
    at += 9 * day;
    expect(await catalog.keepSnapshot(writing())).toBe(false);
    for (let n = 0; n < 100; n++) {
      const id = `20250101T02${String(n % 60).padStart(2, '0')}00Z-${n < 60 ? 'a' : 'b'}-aaaa`;
      await writeSet(location.repository, location.keys, { id, objects: [] });
    }
    await catalog.refresh();
    expect(await catalog.keepSnapshot(writing())).toBe(true);
  });

  it('of a clock that was wrong does not hide newer ones for long', async () => {
    await add(1);
    const catalog = await start();
    await location.repository.store.put('catalog/20991231T000000Z.ndjson.zst', Buffer.from('from the future'));
    await catalog.keepSnapshot(writing());
    expect(await stored()).toEqual(['20261124T041500Z.ndjson.zst']);
  });

  it('is kept where nothing may be deleted, and where another one was faster', async () => {
    await add(1);
    const catalog = openLiveCatalog(
      {
        ...location.repository,
        store: wrapStore(location.repository.store, {
          delete: async key => {
            throw new HoldfastError('STORE_FORBIDDEN', `deleting ${key}: it is locked`);
          },
        }),
      },
      { onNotice: notice => notices.push(notice) },
    );
    await catalog.refresh();
    for (const name of ['20261122T000000Z', '20261123T000000Z', '20261124T041500Z'])
      await location.repository.store.put(`catalog/${name}.ndjson.zst`, Buffer.from('x'));
    expect(await catalog.keepSnapshot(writing())).toBe(false);
    expect(notices).toEqual([expect.stringContaining('it is locked')]);
    // What is there counts: it is not tried again and again.
    expect(await catalog.keepSnapshot(writing())).toBe(false);
    expect(notices).toHaveLength(1);
  });

  it('that cannot be written stops nobody', async () => {
    await add(1);
    const full = wrapStore(location.repository.store, {
      put: async key => {
        throw new HoldfastError('STORE_FULL', `writing ${key}: no space`);
      },
    });
    const catalog = openLiveCatalog({ ...location.repository, store: full }, { onNotice: notice => notices.push(notice) });
    await catalog.refresh();
    expect(await catalog.keepSnapshot(writing())).toBe(false);
    expect(notices).toEqual([expect.stringContaining('no space')]);
  });

  it('is not written by one who does not lead', async () => {
    await add(1);
    const mayWrite = () => {
      throw new HoldfastError('NOT_LEADER', 'lost');
    };
    await expect((await start()).keepSnapshot({ ...writing(), mayWrite })).rejects.toMatchObject({ code: 'NOT_LEADER' });
    expect(await stored()).toEqual([]);
  });

  describe('is passed over with a notice, and the manifests are read,', () => {
    let name: string;
    beforeEach(async () => {
      for (const number of [1, 2]) await add(number);
      await (await start()).keepSnapshot(writing());
      [name] = (await stored()) as [string];
    });
    const passedOver = async (why: RegExp, trusted?: readonly string[]) => {
      const catalog = await start(trusted);
      expect(reads).toHaveLength(2);
      expect(notices.at(-1)).toMatch(why);
      return catalog;
    };
    const text = async () => zstdDecompressSync((await readBytes(location.repository.store, `catalog/${name}`, 1e7, {}))!).toString();

    it('when a line of it was altered', async () => {
      await replace(name, zstdCompressSync((await text()).replace('"objects":1', '"objects":9')));
      expect((await passedOver(/digest/)).sets()).toMatchObject([{ objects: 1 }, { objects: 1 }]);
    });

    it('when a line was taken out, or another header put before it', async () => {
      const lines = (await text()).split('\n');
      await replace(name, zstdCompressSync(lines.toSpliced(2, 1).join('\n')));
      await passedOver(/digest/);
      await replace(name, zstdCompressSync([lines[0]!.replace('"sets":2', '"sets":1'), ...lines.slice(1)].join('\n')));
      await passedOver(/signature/);
    });

    it('when it decompresses to nothing that it should be', async () => {
      for (const bytes of [Buffer.from('no zstd'), zstdCompressSync('not two lines'), zstdCompressSync(''), Buffer.alloc(0)]) {
        await replace(name, bytes);
        await passedOver(/passed over/);
      }
    });

    it.each([
      ['version', () => ['"formatVersion":1', '"formatVersion":2'], /format version 2/],
      ['repository', () => [location.repository.info.id, '0'.repeat(32)], /another repository/],
    ] as const)('when it is of another %s, though well signed', async (_what, change, why) => {
      const [header, , ...rest] = (await text()).split('\n');
      const [from, to] = change() as [string, string];
      const signed = Buffer.from(encodeSigned(JSON.parse(header!.replace(from, to)) as object, location.keys.privatePem));
      await replace(name, zstdCompressSync(signed.toString() + rest.join('\n')));
      await passedOver(why);
    });

    it('when it was signed by a key that is not trusted, as manifests are', async () => {
      const catalog = await passedOver(/none of the trusted/, [generateSigningKey().publicPem]);
      expect(catalog.sets().every(set => set.phase === 'Unreadable')).toBe(true);
    });

    it('whatever bit of it changed, or it tells the same', async () => {
      const whole = (await readBytes(location.repository.store, `catalog/${name}`, 1e7, {}))!;
      const before = (await start()).sets();
      await fc.assert(
        fc.asyncProperty(fc.nat(), fc.integer({ min: 0, max: 7 }), async (byte, bit) => {
          const changed = Buffer.from(whole);
          changed[byte % changed.length]! ^= 1 << bit;
          await replace(name, changed);
          expect((await start()).sets()).toEqual(before);
        }),
        { numRuns: 60 },
      );
    });
  });

  it('vouches for no set whose manifest was signed by a key that is not trusted any more', async () => {
    const former = { ...location.keys, ...generateSigningKey() };
    await add(1, former);
    await add(2);
    const careless = await start([location.keys.publicPem, former.publicPem]);
    expect(careless.sets().map(set => set.phase)).toEqual(['Completed', 'Completed']);
    await careless.keepSnapshot(writing());
    const careful = await start();
    expect(reads).toEqual([expect.stringContaining('20261111')]);
    expect(careful.sets().map(set => set.phase)).toEqual(['Unreadable', 'Completed']);
  });
});
