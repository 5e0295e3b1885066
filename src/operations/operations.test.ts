import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asked, done, held, heldSleeps, type OperationsWorld, openOperationsWorld } from '../../test/helpers/operations.ts';
import { HoldfastError } from '../domain/errors.ts';
import { isEnded, type Operation, type OperationPhase, operationPhases } from '../domain/operation.ts';
import type { WorkResult } from './job.ts';
import type { Operations } from './operations.ts';

describe('operations', () => {
  let world: OperationsWorld;
  let operations: Operations;
  beforeEach(async () => {
    world = await openOperationsWorld();
    operations = world.engine();
  });
  afterEach(() => world.remove());

  it('are recorded before anybody is told of them, and end with a durable result', async () => {
    const { operation } = await operations.submit(asked, async () => done);
    expect(operation.phase).toMatch(/Pending|Running/);
    expect(await world.onDisk(operation.request.id, 'request.json')).toContain('"subject":"daily"');
    const ended = await operations.ended(operation.request.id);
    expect(ended).toMatchObject({ phase: 'Completed', result: { summary: { objects: 3 } } });
    expect(await world.onDisk(operation.request.id, 'result.json')).toContain('"phase":"Completed"');
    expect(await world.engine().get(operation.request.id)).toEqual(ended);
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

  it('of callers who are restricted to namespaces keep none of the others waiting, and are not taken without end', async () => {
    const operations = world.engine({ most: 3 });
    const [one, other] = [held(), held()];
    const guest = { ...asked, actor: { name: 'team', via: 'api' as const }, namespaces: ['team-a'], lane: 'restore' };
    const first = await operations.submit(guest, one.work);
    await one.started;
    const waiting = await operations.submit({ ...guest, actor: { name: 'another team', via: 'api' } }, other.work);
    const platform = await operations.submit({ ...asked, lane: 'restore' }, async () => done);
    expect(await operations.ended(platform.operation.request.id)).toMatchObject({ phase: 'Completed' });
    expect(await operations.get(waiting.operation.request.id)).toMatchObject({ phase: 'Pending' });
    for (let n = 0; n < 10; n++) await operations.submit(guest, async () => done);
    await expect(operations.submit(guest, async () => done)).rejects.toMatchObject({ code: 'RATE_LIMITED', status: 429 });
    one.finish();
    expect(await operations.ended(first.operation.request.id)).toMatchObject({ phase: 'Completed' });
    await other.started;
    other.finish();
    expect(await operations.ended(waiting.operation.request.id)).toMatchObject({ phase: 'Completed' });
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

  it('are listed newest first, by kind and phase, a page at a time', async () => {
    let at = Date.parse('2026-11-24T00:00:00Z');
    const tick = (): number => {
      at += 1000;
      return at;
    };
    const ticking = world.engine({ runtime: { now: () => new Date(tick()) } });
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
    expect(idsOf(await world.engine().list({ limit: 10, kind: 'backup' }))).toEqual([ids[0], ids[2], ids[4]]);
    expect(await ticking.list({ limit: 10, phase: 'Failed' })).toEqual([]);
  });

  it('are listed beside a folder in which nothing is left', async () => {
    const { operation } = await operations.submit(asked, async () => done);
    await operations.ended(operation.request.id);
    for (const id of ['20200101T000000Z-backup-aaaa', '20990101T000000Z-backup-aaaa']) await mkdir(join(world.dir, 'operations', id));
    const list = await world.engine().list({ limit: 1 });
    expect(list.map(({ request }) => request.id)).toEqual([operation.request.id]);
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
    const after = await world.engine().log(id, { from: 1, limit: 10 });
    expect(after.map(({ message }) => message)).toEqual(['reading configmaps', 'ended Completed']);
    await expect(operations.log('20261124T000000Z-backup-aaaa', { from: 0, limit: 1 })).rejects.toMatchObject({
      code: 'OPERATION_NOT_FOUND',
    });
  });

  it('reach their log’s file also while nothing more is said, and one line is never shown twice', async () => {
    const { sleep, seen, wake } = heldSleeps();
    const quiet = world.engine({ runtime: { sleep } });
    const job = held();
    const { operation } = await quiet.submit(asked, context => {
      context.log('info', 'the last for hours');
      return job.work(context);
    });
    await job.started;
    const { id } = operation.request;
    await seen(10_000);
    wake(10_000);
    await expect.poll(() => world.onDisk(id, 'log-0001.ndjson')).toContain('the last for hours');
    const messages = async () => (await quiet.log(id, { from: 0, limit: 9 })).map(({ message }) => message);
    expect(await messages()).toEqual(['started for alice: backup daily', 'the last for hours']);
    job.finish();
    await quiet.ended(id);
    expect(await messages()).toEqual(['started for alice: backup daily', 'the last for hours', 'ended Completed']);
  });

  it('that say too much keep what they said last, and say how much is missing', async () => {
    const { sleep } = heldSleeps();
    const away = world.engine({
      runtime: { sleep },
      change: store => ({
        put: async (key, body, options) => {
          if (key.includes('log-') && !talked) throw new HoldfastError('STORE_UNREACHABLE', 'away');
          return store.put(key, body, options);
        },
      }),
    });
    let talked = false;
    const { operation } = await away.submit(asked, async ({ log }) => {
      for (let i = 0; i < 2_000; i++) log('info', `${i} ${'x'.repeat(1_000)}`);
      await nextTurn();
      talked = true;
      return done;
    });
    await away.ended(operation.request.id);
    const lines = await world.engine().log(operation.request.id, { from: 0, limit: 5_000 });
    expect(lines.at(-2)?.message).toMatch(/^1999 /);
    expect(lines.at(-1)?.message).toBe('ended Completed');
    expect(lines.some(({ level, message }) => level === 'warn' && /^\d+ lines before this one were left out$/.test(message))).toBe(true);
    expect(lines.length).toBeLessThan(400);
  });

  it('are not disturbed by one who looks on and throws', async () => {
    operations.subscribe(() => {
      throw new Error('broken listener');
    });
    const { operation } = await operations.submit(asked, async () => done);
    expect((await operations.ended(operation.request.id)).phase).toBe('Completed');
  });

  it('that fail because they were told to stop are Cancelled, and keep what they have to tell', async () => {
    const started = Promise.withResolvers<void>();
    const { operation } = await operations.submit(asked, async ({ signal }) => {
      started.resolve();
      await new Promise(resolve => signal.addEventListener('abort', resolve));
      return { phase: 'Failed', summary: { objects: 7 } };
    });
    await started.promise;
    await operations.cancel(operation.request.id, asked.actor);
    expect((await operations.ended(operation.request.id)).result).toMatchObject({ phase: 'Cancelled', summary: { objects: 7 } });
  });

  it('are forgotten when they are old and have ended, and never look unfinished on the way', async () => {
    const running = held();
    const { operation } = await operations.submit(asked, async () => done);
    await operations.submit({ ...asked, kind: 'restore' }, running.work);
    await running.started;
    const { id } = operation.request;
    await operations.ended(id);
    const deleted: string[] = [];
    const other = world.engine({
      change: store => ({
        delete: async (key, options) => {
          deleted.push(key.split('/').at(-1)!);
          await store.delete(key, options);
        },
      }),
    });
    expect(await other.expire(new Date(Date.now() - 60_000))).toBe(0);
    expect(await other.expire(new Date(Date.now() + 60_000))).toBe(1);
    expect(deleted).toEqual(['request.json', 'started.json', 'result.json', 'log-0001.ndjson']);
    expect((await other.list({ limit: 9 })).map(({ request }) => request.kind)).toEqual(['restore']);
    expect(await other.get(id)).toBeUndefined();
  });

  it('go only forwards and end exactly once, whatever happens in whatever order', async () => {
    const act = fc.constantFrom('finish', 'fail', 'cancel', 'progress', 'turn');
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 8 }), async acts => {
        const phases: OperationPhase[] = [];
        const own = world.engine();
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
        expect((await world.engine().get(operation.request.id))?.phase).toBe(ended.phase);
      }),
      { numRuns: 60 },
    );
  });
});
