import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, configMap, makeRepository, type TestRepository, wrapStore, writeSet } from '../../test/contract/repository-fixture.ts';
import { asked, done, heldSleeps, open } from '../../test/helpers/operations.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import type { Manifest } from '../domain/backup-set.ts';
import type { Runtime } from '../domain/runtime.ts';
import { listSets } from '../repository/catalog.ts';
import { commitDemanded, giveUpDemand } from '../repository/demand-claim.ts';
import { encodeManifest } from '../repository/manifest.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { WorkContext } from './job.ts';
import { createOperations } from './operations.ts';

const id = '20261123T020000Z-manual-aaaa';
type Put = () => ReturnType<ObjectStore['put']>;

/** The put that decides whether there is a set is under way when the job is told to stop. */
describe('a backup on demand that is stopped in the middle of its commit', () => {
  let location: TestRepository;
  let manifest: Manifest;
  let bytes: Uint8Array;
  beforeEach(async () => {
    location = await makeRepository();
    ({ manifest } = await writeSet(location.repository, location.keys, { id, objects: [configMap('a')], halfWritten: true }));
    bytes = encodeManifest(manifest, location.keys.privatePem);
  });
  afterEach(() => location.remove());

  const visible = async () => (await collect(listSets(location.repository))).map(set => set.id);

  /** `slow` stands for the first put of the decision, and is told to go on with it by its argument. */
  function begin(slow: (put: Put, signal: AbortSignal) => ReturnType<Put>, sleep: Runtime['sleep'] = testRuntime.sleep) {
    const reached = Promise.withResolvers<void>();
    let isFirst = true;
    const put: ObjectStore['put'] = async (key, body, options) => {
      const store = () => location.repository.store.put(key, body, options);
      if (!key.endsWith('/commit.json') || !isFirst) return store();
      isFirst = false;
      // What has left this process arrives, whether it is waited for or not.
      const arrives = () => location.repository.store.put(key, body);
      const stored = slow(arrives, options!.signal!);
      reached.resolve();
      return stored;
    };
    const repository = { ...location.repository, store: wrapStore(location.repository.store, { put }) };
    const keys = { signingKey: location.keys.privatePem, trusted: [location.keys.publicPem] };
    const operations = createOperations({
      ...{ repository, runtime: { ...testRuntime, sleep }, most: 1, fence: () => open },
      settle: async ({ id: operation }, signal) => {
        const found = await giveUpDemand(repository, operation, { ...keys, signal });
        return found && { ...done, summary: { set: found.id } };
      },
    });
    const work = async ({ operation, signal }: WorkContext) => {
      await commitDemanded(repository, operation.id, manifest, bytes, { ...keys, signal });
      return done;
    };
    return { operations, submit: () => operations.submit(asked, work), reached: reached.promise };
  }

  const aborted = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

  it('is Completed where it arrived before, though its answer did not', async () => {
    const arrived = Promise.withResolvers<unknown>();
    const { operations, submit, reached } = begin((put, signal) => {
      arrived.resolve(put());
      return aborted(signal);
    });
    const { operation } = await submit();
    await reached;
    await arrived.promise;
    await operations.drain(0);
    expect(await operations.get(operation.request.id)).toMatchObject({ phase: 'Completed', result: { summary: { set: id } } });
    expect(await visible()).toEqual([id]);
  });

  it.each(['drain', 'cancel'] as const)('has no set where it arrives after the end: %s', async how => {
    let late: Put = () => Promise.reject(new Error('it has not come to that'));
    const { operations, submit, reached } = begin((put, signal) => {
      late = put;
      return aborted(signal);
    });
    const { operation } = await submit();
    await reached;
    if (how === 'drain') await operations.drain(0);
    else await operations.cancel(operation.request.id, asked.actor);
    const ended = await operations.ended(operation.request.id);
    expect(ended.phase).toBe(how === 'drain' ? 'Interrupted' : 'Cancelled');
    await expect(late()).rejects.toMatchObject({ code: 'STORE_EXISTS' });
    expect(await visible()).toEqual([]);
    await operations.drain(0);
  });

  it('has no set where it does not listen, and goes on when it is waited for no longer', async () => {
    const { sleep, seen, wake } = heldSleeps();
    const [goesOn, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()];
    const { operations, submit, reached } = begin(put => {
      const stored = goesOn.promise.then(put);
      stored.then(ended.resolve, ended.resolve);
      return stored;
    }, sleep);
    const { operation } = await submit();
    await reached;
    const drained = operations.drain(500);
    await seen(500);
    wake(500);
    await nextTurn();
    await seen(10_000);
    wake(10_000);
    await drained;
    expect((await operations.get(operation.request.id))?.phase).toBe('Interrupted');
    goesOn.resolve();
    expect(await ended.promise).toMatchObject({ code: 'STORE_EXISTS' });
    expect(await visible()).toEqual([]);
  });
});
