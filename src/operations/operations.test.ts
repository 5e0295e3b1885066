import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { generateSigningKey } from '../crypto/signing.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import { isEnded, type Operation, type OperationPhase, operationPhases } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { initRepository, type Repository } from '../repository/repository.ts';
import { createFileStore } from '../storage/file-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Submission, Work, WorkResult } from './job.ts';
import { createOperations, type Operations } from './operations.ts';

const open: Fence = { check: () => {} };
const done: WorkResult = { phase: 'Completed', summary: { objects: 3 } };
const asked: Submission = { kind: 'backup', subject: 'daily', actor: { name: 'alice', via: 'api' }, parameters: { tier: 'daily' } };

/** A job that waits until it is told to go on, or is stopped. */
function held(result: WorkResult = done) {
  const started = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<WorkResult>();
  const work: Work = ({ signal }) => {
    started.resolve();
    const stopped = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    return Promise.race([gate.promise, stopped]);
  };
  return { work, started: started.promise, finish: () => gate.resolve(result) };
}

describe('operations', () => {
  let dir: string;
  let store: ObjectStore;
  let repository: Repository;
  let operations: Operations;
  let engines: Operations[] = [];

  const engine = (changes: { store?: ObjectStore; most?: number; fence?: () => Fence | undefined; runtime?: Runtime } = {}): Operations => {
    const made = createOperations({
      repository: { ...repository, store: changes.store ?? store },
      runtime: changes.runtime ?? testRuntime,
      most: changes.most ?? 2,
      fence: changes.fence ?? (() => open),
    });
    engines.push(made);
    return made;
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-operations-'));
    store = createFileStore(dir);
    const signingPublicKey = generateSigningKey().publicPem;
    repository = await initRepository(store, { recipients: [], insecurePlaintext: true, signingPublicKey, runtime: testRuntime });
    operations = engine();
  });
  afterEach(async () => {
    await Promise.all(engines.map(one => one.drain(0)));
    engines = [];
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });

  const onDisk = (id: string, file: string) => readFile(join(dir, 'operations', id, file), 'utf8');

  it('are recorded before anybody is told of them, and end with a durable result', async () => {
    const { operation } = await operations.submit(asked, async () => done);
    expect(operation.phase).toMatch(/Pending|Running/);
    expect(await onDisk(operation.request.id, 'request.json')).toContain('"subject":"daily"');
    const ended = await operations.ended(operation.request.id);
    expect(ended).toMatchObject({ phase: 'Completed', result: { summary: { objects: 3 } } });
    expect(await onDisk(operation.request.id, 'result.json')).toContain('"phase":"Completed"');
    expect(await engine().get(operation.request.id)).toEqual(ended);
  });

  it('end as Failed with the error’s own code and hint when their work throws', async () => {
    const { operation } = await operations.submit(asked, async () => {
      throw new HoldfastError('STORE_FULL', 'disk is full');
    });
    const { result } = await operations.ended(operation.request.id);
    expect(result).toMatchObject({
      phase: 'Failed',
      error: { code: 'STORE_FULL', message: 'disk is full', hint: expect.stringMatching(/./) },
    });
  });

  it('run in the order in which they came, so many at once, and one of a lane at a time', async () => {
    const jobs = [held(), held(), held(), held()];
    const order: number[] = [];
    const submit = (i: number, lane?: string) =>
      operations.submit({ ...asked, ...(lane === undefined ? {} : { lane }) }, context => {
        order.push(i);
        return jobs[i]!.work(context);
      });
    await submit(0, 'retention');
    await submit(1, 'retention');
    await submit(2);
    await submit(3);
    await jobs[2]!.started;
    expect(order).toEqual([0, 2]);
    jobs[2]!.finish();
    await jobs[3]!.started;
    expect(order).toEqual([0, 2, 3]);
    jobs[0]!.finish();
    await jobs[1]!.started;
    for (const job of jobs) job.finish();
    expect(operations.active().length).toBeGreaterThan(0);
  });

  describe('with an idempotency key', () => {
    const keyed: Submission = { ...asked, idempotency: { key: 'k', body: 'b' } };
    let runs = 0;
    const counted: Work = async () => {
      runs++;
      return done;
    };
    beforeEach(() => {
      runs = 0;
    });

    it('are the same operation when asked for twice, also at the same moment and after a restart', async () => {
      const both = await Promise.all([operations.submit(keyed, counted), operations.submit(keyed, counted)]);
      const ids = new Set(both.map(({ operation }) => operation.request.id));
      expect(ids.size).toBe(1);
      expect(both.filter(({ isNew }) => isNew)).toHaveLength(1);
      await operations.ended([...ids][0]!);
      const again = await engine().submit(keyed, counted);
      expect(again).toMatchObject({ isNew: false, operation: { phase: 'Completed' } });
      expect(ids).toContain(again.operation.request.id);
      expect(runs).toBe(1);
    });

    it('are refused for another body', async () => {
      await operations.submit(keyed, counted);
      const other = { ...keyed, idempotency: { key: 'k', body: 'other' } };
      await expect(operations.submit(other, counted)).rejects.toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', status: 409 });
    });

    it('are new a day later', async () => {
      const first = await operations.submit(keyed, counted);
      const later = { ...testRuntime, now: () => new Date(Date.now() + 25 * 3_600_000) };
      const second = await engine({ runtime: later }).submit(keyed, counted);
      expect(second.isNew).toBe(true);
      expect(second.operation.request.id).not.toBe(first.operation.request.id);
    });

    it('can be tried again when the first try was not recorded', async () => {
      let fails = 1;
      const failing: ObjectStore = {
        ...store,
        listNames: (...args) => store.listNames(...args),
        get: (...args) => store.get(...args),
        put: async (key, body, options) => {
          if (key.endsWith('request.json') && fails-- > 0) throw new HoldfastError('STORE_UNREACHABLE', 'away');
          return store.put(key, body, options);
        },
      };
      const shaky = engine({ store: failing });
      await expect(shaky.submit(keyed, counted)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
      expect((await shaky.submit(keyed, counted)).isNew).toBe(true);
    });
  });

  describe('are cancelled', () => {
    it('while they run, and cancelling twice is cancelling once', async () => {
      const job = held();
      const { operation } = await operations.submit(asked, job.work);
      await job.started;
      const { id } = operation.request;
      await operations.cancel(id, { name: 'bob', via: 'api' });
      await operations.cancel(id, { name: 'bob', via: 'api' }).catch(error => expect(error.code).toBe('OPERATION_ENDED'));
      expect((await operations.ended(id)).result).toMatchObject({ phase: 'Cancelled', error: { message: 'cancelled by bob' } });
      await expect(operations.cancel(id, { name: 'bob', via: 'api' })).rejects.toMatchObject({ code: 'OPERATION_ENDED' });
    });

    it('before they began, and then they never begin', async () => {
      const [first, second] = [held(), held()];
      await operations.submit({ ...asked, lane: 'x' }, first.work);
      let began = false;
      const { operation } = await operations.submit({ ...asked, lane: 'x' }, async () => {
        began = true;
        return done;
      });
      await operations.cancel(operation.request.id, { name: 'bob', via: 'api' });
      expect((await operations.ended(operation.request.id)).phase).toBe('Cancelled');
      first.finish();
      second.finish();
      expect(began).toBe(false);
    });

    it('not where there is none', async () => {
      await expect(operations.cancel('20261124T000000Z-backup-aaaa', { name: 'bob', via: 'api' })).rejects.toMatchObject({
        code: 'OPERATION_NOT_FOUND',
        status: 404,
      });
    });
  });

  describe('that another process left unfinished', () => {
    async function leftBehind(): Promise<{ id: string; dead: Operations }> {
      let alive = true;
      const dead = engine({ fence: () => (alive ? open : undefined) });
      const job = held();
      const { operation } = await dead.submit(asked, job.work);
      await job.started;
      alive = false;
      return { id: operation.request.id, dead };
    }

    it('are Interrupted with the reason, once', async () => {
      const { id, dead } = await leftBehind();
      expect((await operations.get(id))?.phase).toBe('Running');
      const { interrupted } = await operations.recover();
      expect(interrupted).toMatchObject([{ id, phase: 'Interrupted', error: { message: expect.stringContaining('list of backups') } }]);
      expect((await operations.get(id))?.phase).toBe('Interrupted');
      expect((await operations.recover()).interrupted).toEqual([]);
      await dead.abandon(new HoldfastError('NOT_LEADER', 'lost'));
      expect((await engine().get(id))?.phase).toBe('Interrupted');
    });

    it('are taken up again where that is possible', async () => {
      const { id, dead } = await leftBehind();
      const { resumed } = await operations.recover(request =>
        request.parameters['tier'] === 'daily' ? { work: async () => done } : undefined,
      );
      expect(resumed.map(request => request.id)).toEqual([id]);
      expect((await operations.ended(id)).phase).toBe('Completed');
      await dead.abandon(new HoldfastError('NOT_LEADER', 'lost'));
    });
  });

  it('are left to the next leader when the lead is lost, and nothing is written any more', async () => {
    let fence: Fence | undefined = open;
    const loser = engine({ fence: () => fence });
    const job = held();
    const { operation } = await loser.submit(asked, job.work);
    await job.started;
    fence = undefined;
    await loser.abandon(new HoldfastError('NOT_LEADER', 'lost'));
    await expect(onDisk(operation.request.id, 'result.json')).rejects.toThrow('ENOENT');
    await expect(loser.submit(asked, async () => done)).rejects.toMatchObject({ code: 'NOT_LEADER', status: 503 });
  });

  it('are marked Interrupted when the service ends before them, and nothing new is taken', async () => {
    const [running, waiting] = [held(), held()];
    const first = await operations.submit({ ...asked, lane: 'x' }, running.work);
    const second = await operations.submit({ ...asked, lane: 'x' }, waiting.work);
    await running.started;
    await operations.drain(0);
    for (const { operation } of [first, second]) {
      expect(JSON.parse((await onDisk(operation.request.id, 'result.json')).split('\n')[0]!)).toMatchObject({ phase: 'Interrupted' });
    }
    await expect(operations.submit(asked, async () => done)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it('tell the truth while the store is away, and write their result when it is back', async () => {
    let away = false;
    const flaky: ObjectStore = {
      ...store,
      listNames: (...args) => store.listNames(...args),
      get: (...args) => store.get(...args),
      put: async (key, body, options) => {
        if (away) throw new HoldfastError('STORE_UNREACHABLE', 'away');
        return store.put(key, body, options);
      },
    };
    const slept = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const runtime: Runtime = {
      ...testRuntime,
      sleep: async () => {
        slept.resolve();
        await goOn.promise;
      },
    };
    const patient = engine({ store: flaky, runtime });
    const job = held();
    const { operation } = await patient.submit(asked, job.work);
    await job.started;
    away = true;
    job.finish();
    await slept.promise;
    expect((await patient.get(operation.request.id))?.phase).toBe('Completed');
    away = false;
    goOn.resolve();
    expect((await patient.ended(operation.request.id)).phase).toBe('Completed');
    expect(await onDisk(operation.request.id, 'result.json')).toContain('Completed');
  });

  it('are listed newest first, by kind and phase, a page at a time', async () => {
    let at = Date.parse('2026-11-24T00:00:00Z');
    const tick = (): number => {
      at += 1000;
      return at;
    };
    const ticking = engine({ runtime: { ...testRuntime, now: () => new Date(tick()) } });
    const ids: string[] = [];
    for (const kind of ['backup', 'verify', 'backup', 'restore', 'backup'] as const) {
      const { operation } = await ticking.submit({ ...asked, kind }, async () => done);
      ids.unshift(operation.request.id);
      await ticking.ended(operation.request.id);
    }
    const idsOf = (list: readonly Operation[]) => list.map(({ request }) => request.id);
    expect(idsOf(await ticking.list({ limit: 10 }))).toEqual(ids);
    expect(idsOf(await ticking.list({ limit: 2 }))).toEqual(ids.slice(0, 2));
    expect(idsOf(await ticking.list({ limit: 2, after: ids[1]! }))).toEqual(ids.slice(2, 4));
    expect(idsOf(await engine().list({ limit: 10, kind: 'backup' }))).toEqual([ids[0], ids[2], ids[4]]);
    expect(await ticking.list({ limit: 10, phase: 'Failed' })).toEqual([]);
  });

  it('have a log that can be read while they run and afterwards', async () => {
    const job = held();
    const { operation } = await operations.submit(asked, context => {
      context.log('info', 'reading configmaps');
      return job.work(context);
    });
    await job.started;
    const { id } = operation.request;
    const while_ = await operations.log(id, { from: 0, limit: 10 });
    expect(while_.map(({ message }) => message)).toEqual(['started for alice: backup daily', 'reading configmaps']);
    job.finish();
    await operations.ended(id);
    const after = await engine().log(id, { from: 1, limit: 10 });
    expect(after.map(({ message }) => message)).toEqual(['reading configmaps', 'ended Completed']);
    await expect(operations.log('20261124T000000Z-backup-aaaa', { from: 0, limit: 1 })).rejects.toMatchObject({
      code: 'OPERATION_NOT_FOUND',
    });
  });

  it('are forgotten when they are old, and never look unfinished on the way', async () => {
    const { operation } = await operations.submit(asked, async () => done);
    const { id } = operation.request;
    await operations.ended(id);
    const deleted: string[] = [];
    const watched: ObjectStore = {
      ...store,
      list: (...args) => store.list(...args),
      listNames: (...args) => store.listNames(...args),
      get: (...args) => store.get(...args),
      delete: async (key, options) => {
        deleted.push(key.split('/').at(-1)!);
        await store.delete(key, options);
      },
    };
    const other = engine({ store: watched });
    expect(await other.expire(new Date(Date.now() - 60_000))).toBe(0);
    expect(await other.expire(new Date(Date.now() + 60_000))).toBe(1);
    expect(deleted.slice(0, 3)).toEqual(['request.json', 'started.json', 'result.json']);
    expect(await other.get(id)).toBeUndefined();
  });

  it('go only forwards and end exactly once, whatever happens in whatever order', async () => {
    const act = fc.constantFrom('finish', 'fail', 'cancel', 'progress', 'turn');
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 8 }), async acts => {
        const phases: OperationPhase[] = [];
        const own = engine();
        const gate = Promise.withResolvers<WorkResult>();
        gate.promise.catch(() => {});
        let report = (): void => {};
        const stop = own.subscribe((_type, operation) => phases.push(operation.phase));
        const { operation } = await own.submit(asked, ({ signal, progress }) => {
          report = () => progress({ phase: 'read' });
          return Promise.race([gate.promise, new Promise<never>((_r, no) => signal.addEventListener('abort', () => no(signal.reason)))]);
        });
        for (const one of acts) {
          if (one === 'finish') gate.resolve(done);
          else if (one === 'fail') gate.reject(new HoldfastError('STORE_ERROR', 'broken'));
          else if (one === 'cancel') await own.cancel(operation.request.id, asked.actor).catch(() => {});
          else if (one === 'progress') report();
          else await nextTurn();
        }
        gate.resolve(done);
        const ended = await own.ended(operation.request.id);
        stop();
        const ranks = phases.map(phase => Math.min(operationPhases.indexOf(phase), 2));
        expect(ranks).toEqual(ranks.toSorted());
        expect(new Set(phases.filter(isEnded))).toEqual(new Set([ended.phase]));
        expect((await engine().get(operation.request.id))?.phase).toBe(ended.phase);
      }),
      { numRuns: 60 },
    );
  });
});
