import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCountingStore, ofSets } from '../../test/helpers/counting-store.ts';
import { damageFile, flipped, takenByHand, takenDaily } from '../../test/helpers/deletions.ts';
import { createDyingStore } from '../../test/helpers/dying-store.ts';
import { makeRetentionLocation, now, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import { platform } from '../../test/helpers/retention-world.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import type { Caller } from '../api/service.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Operation } from '../domain/operation.ts';
import { createOperations } from '../operations/operations.ts';
import { hold } from '../repository/holds.ts';
import { manifestKey } from '../repository/layout.ts';
import { openLedger, readLedger } from '../repository/ledger.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import type { Repository } from '../repository/repository.ts';
import { resumeDeletion } from './delete-jobs.ts';
import { createEventBus } from './event-bus.ts';
import { busySets } from './retention-planner.ts';
import { createService } from './service.ts';
import type { World } from './world.ts';

const alice: Caller = { actor: { name: 'alice', via: 'api' } };
const { signal } = new AbortController();

let at: RetentionLocation;
let newest: string;
let old: string;
beforeEach(async () => {
  at = await makeRetentionLocation();
  newest = await at.taken('2026-11-23');
  old = await at.taken('2026-11-20');
});
afterEach(() => at.remove());

interface Surroundings {
  readonly repository: Repository;
  readonly leads: boolean;
  readonly sleep: typeof testRuntime.sleep;
}

/** A service that leads, on the real repository; `leads: false` is a standby. */
async function serve({ repository = at.repository, leads = true, sleep = testRuntime.sleep }: Partial<Surroundings> = {}) {
  const { privatePem: signingKey, publicPem } = at.keys;
  const runtime = { ...testRuntime, now: () => now, sleep };
  const trusted = [publicPem];
  const catalog = openLiveCatalog(repository, { trusted });
  await catalog.refresh();
  const fence = { check: () => {} };
  const operations = createOperations({ repository, runtime, most: 4, fence: () => (leads ? fence : undefined) });
  const world = {
    ...{ repository, runtime, catalog, operations, events: createEventBus(), keys: { signingKey, trusted, recipients: [] } },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    ledger: openLedger(repository, { signingKey, trusted, runtime }),
    rules: () => ({ policies: [platform], maxShare: 1 }),
    term: () => (leads ? { fence, repository, signal } : undefined),
  } as unknown as World;
  const service = createService(world, { readiness: () => [], objectives: () => [] });
  const remove = (set: string, key?: string) =>
    service.operations.start({ kind: 'delete', set, reason: 'a test' }, alice, {
      signal,
      ...(key !== undefined && { idempotency: { key, body: set } }),
    });
  const ended = ({ request }: Operation) => operations.ended(request.id);
  /** Also of one whose result cannot be written. */
  const { promise: seenEnd, resolve } = Promise.withResolvers<void>();
  operations.subscribe((_, { result }) => result !== undefined && resolve());
  return { world, service, operations, remove, ended, seenEnd };
}

describe('a deletion by the service', () => {
  it('is an operation with what has gone, the ledger names who asked and why, and the catalog has it no more', async () => {
    const { world, remove, ended, service } = await serve();
    const operation = await ended(await remove(old));
    expect(operation).toMatchObject({
      phase: 'Completed',
      request: { kind: 'delete', subject: old },
      result: { summary: { set: old, result: 'deleted', objects: 2 } },
    });
    expect(world.catalog.sets().map(({ id }) => id)).toEqual([newest]);
    expect((await at.keysBelow('backups/')).filter(key => key.includes(old))).toEqual([]);
    const [entry] = await readLedger(at.repository, { limit: 1 }, { trusted: [at.keys.publicPem] });
    expect(entry).toMatchObject({
      action: 'set.deleted',
      actor: alice.actor,
      subject: old,
      details: { reasons: ['somebody asked for it: a test', expect.any(String)] },
    });
    await expect(service.retention.planDeletion(old, [], signal)).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
  });

  it('is refused before it is an operation', async () => {
    const { remove, operations } = await serve();
    await hold(at.repository, old, at.alice());
    await expect(remove(old)).rejects.toMatchObject({ code: 'BACKUP_HELD' });
    await expect(remove(newest)).rejects.toMatchObject({ code: 'BACKUP_NEEDED' });
    await expect(remove('20200101T020000Z-daily-zzzz')).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    expect(await operations.list({ limit: 5 })).toEqual([]);
  });

  it('is the leader’s alone', async () => {
    const { remove } = await serve({ leads: false });
    await expect(remove(old)).rejects.toMatchObject({ code: 'NOT_LEADER' });
    expect(await at.visible()).toEqual([old, newest]);
  });

  it('is judged by what is there when it runs: of two that are asked for at once the second may be the last', async () => {
    const elsewhere = await makeRetentionLocation();
    try {
      const ids = [await takenByHand(elsewhere, '2026-11-01'), await takenByHand(elsewhere, '2026-11-02')];
      await at.remove();
      at = elsewhere;
      const { remove, ended } = await serve();
      const outcomes = await Promise.all(
        ids.map(id =>
          remove(id)
            .then(ended)
            .then(
              ({ result }) => result?.error?.code ?? result?.phase,
              (thrown: HoldfastError) => thrown.code,
            ),
        ),
      );
      expect(outcomes.toSorted()).toEqual(['BACKUP_NEEDED', 'Completed']);
      expect(await at.visible()).toHaveLength(1);
    } finally {
      if (at !== elsewhere) await elsewhere.remove();
    }
  });

  it('asks the store for as much among three hundred sets as among a few: for what it deletes, and what stands in its place', async () => {
    const store = createCountingStore(at.repository.store);
    const { world, remove, ended } = await serve({ repository: { ...at.repository, store } });
    const asked = async (set: string) => {
      await world.catalog.refresh();
      store.take();
      expect(await ended(await remove(set))).toMatchObject({ phase: 'Completed' });
      return store.take().map(one => one.replaceAll(set, 'it'));
    };
    const few = await asked(old);
    const many = await takenDaily(at, '2026-11-20', 300);
    const more = await asked(many[150]!);
    expect(ofSets(more)).toEqual(ofSets(few));
    expect(new Set(ofSets(few).filter(one => one.endsWith('/manifest.json')))).toEqual(
      new Set(['get backups/it/manifest.json', `get backups/${newest}/manifest.json`, 'delete backups/it/manifest.json']),
    );
    expect(more.length).toBeLessThan(100);
    expect(world.catalog.sets()).toHaveLength(300);
  }, 120_000);

  it('does not rest on what the catalog knows and nobody can read any more', async () => {
    const other = await at.taken('2026-11-19');
    const { remove } = await serve();
    await damageFile(at, manifestKey(newest), flipped);
    // By the catalog it is not the newest of its tier.
    await expect(remove(old)).rejects.toMatchObject({
      code: 'BACKUP_NEEDED',
      message: expect.stringContaining('newest complete set of tier daily'),
    });
    expect(await at.visible()).toEqual([other, old, newest]);
  });

  it('counts what another process took since the catalog was last read', async () => {
    await at.repository.store.delete(manifestKey(newest));
    const { remove, ended } = await serve();
    await expect(remove(old)).rejects.toMatchObject({ code: 'BACKUP_NEEDED' });
    const newer = await at.taken('2026-11-22');
    expect(await ended(await remove(old))).toMatchObject({ phase: 'Completed' });
    expect(await at.visible()).toEqual([newer]);
  });

  it('asked for once more with its key, since no answer came, is the same operation though the set is gone', async () => {
    const { remove, ended } = await serve();
    const first = await ended(await remove(old, 'key'));
    expect((await remove(old, 'key')).request.id).toBe(first.request.id);
    await expect(remove(old, 'other')).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    // Also after a restart.
    expect((await (await serve()).remove(old, 'key')).request.id).toBe(first.request.id);
  });

  it('is left alone by retention, which would let go of nothing else either', async () => {
    const { world, remove, ended } = await serve();
    const operation = await remove(old);
    expect((await busySets(world, signal)).get(old)).toBe('being deleted');
    await ended(operation);
    expect(await busySets(world, signal)).toEqual(new Map());
  });

  it('that was killed at any point is finished by the service that leads next', async () => {
    let resumed = 0;
    for (let round = 1; round <= 12; round++) {
      const set = await at.taken(`2026-10-${String(round).padStart(2, '0')}`);
      const store = createDyingStore(at.repository.store, 12 + 6 * round, round % 2 === 0);
      // Who is dead waits for nothing.
      const killed = await serve({ repository: { ...at.repository, store }, sleep: () => new Promise(() => {}) }).catch(() => undefined);
      await killed?.remove(set).then(
        () => killed.seenEnd,
        () => {},
      );
      const next = await serve();
      const recovered = await next.operations.recover(request => resumeDeletion(next.world, request));
      resumed += recovered.resumed.length;
      for (const { id } of recovered.resumed) expect((await next.operations.ended(id)).phase).toBe('Completed');
      if (recovered.resumed.length > 0) expect((await at.keysBelow('')).filter(key => key.startsWith(`backups/${set}`))).toEqual([]);
      expect(await at.visible()).toContain(newest);
    }
    expect(resumed).toBeGreaterThan(0);
  }, 120_000);

  it('fails with the error of a store that is away, and goes on when it is asked for again', async () => {
    let isAway = false;
    const store = {
      ...createDyingStore(at.repository.store, Number.POSITIVE_INFINITY, true),
      delete: async (key: string) => {
        if (isAway && key.startsWith('backups/') && !key.endsWith('manifest.json'))
          throw new HoldfastError('STORE_UNREACHABLE', 'it is away');
        await at.repository.store.delete(key);
      },
    };
    const { remove, ended } = await serve({ repository: { ...at.repository, store } });
    isAway = true;
    expect(await ended(await remove(old))).toMatchObject({ phase: 'Failed', result: { error: { code: 'STORE_UNREACHABLE' } } });
    expect(await at.visible()).toEqual([newest]);
    isAway = false;
    expect(await ended(await remove(old))).toMatchObject({ phase: 'Completed', result: { summary: { result: 'cleared' } } });
    expect((await at.keysBelow('')).filter(key => key.startsWith(`backups/${old}`) || key.startsWith(`holds/${old}`))).toEqual([]);
  });
});
