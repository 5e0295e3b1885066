import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { wrapStore } from '../../test/contract/repository-fixture.ts';
import { held } from '../../test/helpers/operations.ts';
import { makeRetentionLocation, now, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import { platform } from '../../test/helpers/retention-world.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import type { Work } from '../api/service.ts';
import type { ClusterIdentity } from '../domain/cluster-identity.ts';
import { createOperations } from '../operations/operations.ts';
import { openLedger } from '../repository/ledger.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { createEventBus } from './event-bus.ts';
import { createService } from './service.ts';
import type { World } from './world.ts';

const runtime = { ...testRuntime, now: () => now };
const fence = { check: () => {} };
const here: ClusterIdentity = { uid: 'a1', server: 'https://cluster' };
const there: ClusterIdentity = { uid: 'b2', server: 'https://cluster' };
const { signal } = new AbortController();

describe('sets that the service of another cluster restores', () => {
  let at: RetentionLocation;
  let [first, second, newest] = ['', '', ''];
  beforeEach(async () => {
    at = await makeRetentionLocation();
    [first, second, newest] = [await at.taken('2026-01-01'), await at.taken('2026-01-02'), await at.taken('2026-11-23')];
  });
  afterEach(() => at.remove());

  /** By its operations alone; resolves when the record of a restore is there. */
  function elsewhere(since = now) {
    const theirs = createOperations({
      repository: at.repository,
      runtime: { ...runtime, now: () => since },
      most: 1,
      fence: () => fence,
      cluster: () => there,
    });
    const job = held();
    const begin = async (set: string) => {
      const asked = { kind: 'restore', subject: set, actor: { name: 'bob', via: 'api' }, parameters: {} } as const;
      return (await theirs.submit(asked, job.work)).operation.request.id;
    };
    return { begin, ended: (id: string) => theirs.ended(id), finish: job.finish };
  }

  /** The service of the cluster that the sets are of, which leads. */
  async function serve(onDelete: (key: string) => Promise<void> = async () => {}, changes: Partial<ObjectStore> = {}) {
    const store = wrapStore(at.repository.store, {
      ...changes,
      delete: async (key, options) => {
        await onDelete(key);
        await at.repository.store.delete(key, options);
      },
    });
    const repository = { ...at.repository, store };
    const { privatePem: signingKey, publicPem } = at.keys;
    const trusted = [publicPem];
    const catalog = openLiveCatalog(repository, { trusted });
    await catalog.refresh();
    const operations = createOperations({ repository, runtime, most: 4, fence: () => fence, cluster: () => here });
    const world = {
      ...{ repository, runtime, catalog, operations, events: createEventBus(), keys: { signingKey, trusted, recipients: [] } },
      log: { info: () => {}, warn: () => {}, error: () => {} },
      ledger: openLedger(repository, { signingKey, trusted, runtime }),
      rules: () => ({ policies: [platform], maxShare: 1 }),
      term: () => ({ fence, repository, signal }),
      home: { identity: here, since: new Date(0) },
    } as unknown as World;
    const service = createService(world, { readiness: () => [], objectives: () => [] });
    const done = async (work: Work) => {
      const { request } = await service.operations.start(work, { actor: { name: 'alice', via: 'api' } }, { signal });
      return operations.ended(request.id);
    };
    return { service, done };
  }

  it('are not deleted on demand, and can be when that has ended', async () => {
    const theirs = elsewhere();
    const { service, done } = await serve();
    const id = await theirs.begin(first);
    const inUse = { code: 'BACKUP_IN_USE', message: expect.stringContaining(`operation ${id} of another cluster`) };
    expect((await service.retention.planDeletion(first, [], signal)).refusal).toMatchObject(inUse);
    await expect(done({ kind: 'delete', set: first })).rejects.toMatchObject(inUse);
    theirs.finish();
    await theirs.ended(id);
    expect(await done({ kind: 'delete', set: first })).toMatchObject({ phase: 'Completed' });
    expect(await at.visible()).toEqual([second, newest]);
  });

  it('stay by the plan that is shown, which a run then carries out', async () => {
    const theirs = elsewhere();
    const { service, done } = await serve();
    const id = await theirs.begin(first);
    const { digest, decisions } = await service.retention.plan(signal);
    expect(decisions.map(({ set, action }) => [set, action])).toEqual([
      [first, 'keep'],
      [second, 'delete'],
      [newest, 'keep'],
    ]);
    expect(await done({ kind: 'retention', plan: digest, beyondLimit: false })).toMatchObject({ phase: 'Completed' });
    expect(await at.visible()).toEqual([first, newest]);
    theirs.finish();
    await theirs.ended(id);
  });

  it('stay also when that begins while a run deletes others', async () => {
    const theirs = elsewhere();
    let id: string | undefined;
    const { service, done } = await serve(async key => {
      if (key.includes(first)) id ??= await theirs.begin(second);
    });
    const { digest } = await service.retention.plan(signal);
    const { result } = await done({ kind: 'retention', plan: digest, beyondLimit: false });
    expect(result?.summary['items']).toEqual([
      { set: first, result: 'deleted', message: '' },
      { set: second, result: 'kept', message: `being restored (operation ${id} of another cluster)` },
    ]);
    expect(await at.visible()).toEqual([second, newest]);
    theirs.finish();
    await theirs.ended(id!);
  });

  it('by another service of the same cluster stay by what that says it reads, until it has read it', async () => {
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const reader = await serve(undefined, {
      get: (key, options) =>
        (async function* () {
          if (key.startsWith(`backups/${first}/`) && !key.endsWith('manifest.json')) {
            begun.resolve();
            await goOn.promise;
          }
          yield* at.repository.store.get(key, options);
        })(),
    });
    const { service, done } = await serve();
    const verified = reader.done({ kind: 'verify', set: first });
    await begun.promise;
    const doing = 'being verified by alice';
    const { decisions } = await service.retention.plan(signal);
    expect(decisions.find(({ set }) => set === first)).toMatchObject({ action: 'keep', reasons: [doing] });
    await expect(done({ kind: 'delete', set: first })).rejects.toMatchObject({ code: 'BACKUP_IN_USE', message: `${first} is ${doing}` });
    // Its own plan names its own work once.
    const own = await reader.service.retention.plan(signal);
    expect(own.decisions.find(({ set }) => set === first)).toMatchObject({ action: 'keep', reasons: ['being verified'] });
    goOn.resolve();
    expect(await verified).toMatchObject({ phase: 'Completed' });
    expect((await reader.service.retention.plan(signal)).decisions.find(({ set }) => set === first)).toMatchObject({ action: 'delete' });
    expect(await at.keysBelow('uses/')).toEqual([]);
    expect(await done({ kind: 'delete', set: first })).toMatchObject({ phase: 'Completed' });
  });

  it('do not stay for ever where nobody ends that: the record of an operation counts for a day', async () => {
    const theirs = elsewhere(new Date(now.getTime() - 24 * 3_600_000));
    const { done } = await serve();
    const id = await theirs.begin(first);
    expect(await done({ kind: 'delete', set: first })).toMatchObject({ phase: 'Completed' });
    theirs.finish();
    await theirs.ended(id);
  });
});
