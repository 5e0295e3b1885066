import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  runtime as clock,
  configMap,
  makeRepository,
  type TestRepository,
  wrapStore,
  writeSet,
} from '../../test/contract/repository-fixture.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { manifestKey } from '../repository/layout.ts';
import { openLedger } from '../repository/ledger.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import { tellOfSets } from './untold.ts';
import type { World } from './world.ts';

const runtime = { ...testRuntime, ...clock };
const claim: VolumeRecord = { namespace: 'agents', claim: 'workspace', state: 'failed', reason: 'it is gone', code: 'VOLUME_GONE' };
const idOf = (day: number) => `202611${day}T015500Z-daily-aaaa`;
const [old, first, second] = [idOf(21), idOf(22), idOf(23)];

describe('sets that the ledger does not know', () => {
  let location: TestRepository;
  let reads: string[];
  let errors: object[];
  beforeEach(async () => {
    location = await makeRepository();
    [reads, errors] = [[], []];
  });
  afterEach(() => location.remove());

  const take = (id: string) => writeSet(location.repository, location.keys, { id, objects: [configMap('a')], volumes: [claim] });

  /** A service that begins to lead. */
  async function begin() {
    const { keys } = location;
    const trusted = [keys.publicPem];
    const store = wrapStore(location.repository.store, {
      get: (key, options) => {
        if (key.startsWith('backups/')) reads.push(key);
        return location.repository.store.get(key, options);
      },
    });
    const repository = { ...location.repository, store };
    const catalog = openLiveCatalog(repository, { trusted });
    await catalog.refresh();
    const ledger = openLedger(repository, { signingKey: keys.privatePem, trusted, runtime });
    const world = {
      ...{ repository, catalog, ledger, runtime, keys: { trusted } },
      log: { error: (fields: object) => void errors.push(fields) },
      term: () => ({ fence: { check: () => {} } }),
    } as unknown as World;
    reads = [];
    return {
      catalog,
      tell: (uid = 'a1') => {
        const since = new Date('2026-11-22T00:00:00Z');
        const home = { identity: { uid, server: 'https://cluster' }, since: new Date(0) };
        return tellOfSets({ ...world, home }, { since, signal: AbortSignal.timeout(10_000) });
      },
      told: async () => (await ledger.read({ limit: 100 })).map(({ action, subject, details }) => ({ action, subject, details })),
    };
  }

  it('are told to it with the counts of their claims, once, and those of before or of other clusters are not', async () => {
    for (const id of [old, first, second]) await take(id);
    const { tell, told } = await begin();
    await tell('another');
    expect(await told()).toEqual([]);
    await tell();
    expect(await told()).toMatchObject(
      [second, first].map(subject => ({
        ...{ action: 'backup.completed', subject },
        details: { tier: 'daily', objects: 1, volumes: { claims: 1, failed: 1 }, toldLater: true },
      })),
    );
    await tell();
    expect(await told()).toHaveLength(2);
  });

  it('are the only ones whose manifests are read for that', async () => {
    await take(first);
    await (await begin()).tell();
    await take(second);
    const next = await begin();
    await next.tell();
    expect(reads).toEqual([manifestKey(second)]);
  });

  it('and cannot be read, or are gone by now, keep nobody from being told of the others', async () => {
    for (const id of [old, first, second]) await take(id);
    const writing = { signingKey: location.keys.privatePem, runtime: { now: () => new Date('2026-11-24T00:00:00Z') } };
    expect(await (await begin()).catalog.keepSnapshot(writing)).toBe(true);
    const { store } = location.repository;
    await store.delete(manifestKey(first));
    await store.put(manifestKey(first), Buffer.from('{}\n{}\n'));
    const { catalog, tell, told } = await begin();
    expect(catalog.get(first)).toMatchObject({ phase: 'Completed' });
    await tell();
    expect((await told()).map(({ subject }) => subject)).toEqual([second]);
    expect(errors).toMatchObject([{ set: first, err: { code: 'BACKUP_CORRUPT' } }]);

    await store.delete(manifestKey(first));
    await tell();
    expect([await told(), errors]).toMatchObject([{ length: 1 }, { length: 1 }]);
  });

  it('are left untold, and nobody waits for them, where the ledger itself cannot be read', async () => {
    await take(first);
    await (await begin()).tell();
    await take(second);
    const { store } = location.repository;
    await store.delete('ledger/00000001.json');
    await store.put('ledger/00000001.json', Buffer.from('{}\n{}\n'));
    const { tell } = await begin();
    await tell();
    expect(errors).toMatchObject([{ err: { code: 'BACKUP_CORRUPT' } }]);
    expect(await Array.fromAsync(store.listNames('ledger/'))).toEqual(['00000001.json']);
  });
});
