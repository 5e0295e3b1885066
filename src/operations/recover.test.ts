import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asked, done, held, heldSleeps, type OperationsWorld, open, openOperationsWorld } from '../../test/helpers/operations.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import type { Operations } from './operations.ts';

describe('operations that another process left unfinished', () => {
  let world: OperationsWorld;
  let operations: Operations;
  const lost = new HoldfastError('NOT_LEADER', 'lost');
  beforeEach(async () => {
    world = await openOperationsWorld();
    operations = world.engine();
  });
  afterEach(() => world.remove());

  async function leftBehind(): Promise<{ id: string; dead: Operations }> {
    let alive = true;
    const dead = world.engine({ fence: () => (alive ? open : undefined) });
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
    await dead.abandon(lost);
    expect((await world.engine().get(id))?.phase).toBe('Interrupted');
  });

  it('are taken up again where that is possible, and go on as the same operation', async () => {
    const { id, dead } = await leftBehind();
    await dead.abandon(lost);
    const before = await operations.get(id);
    const { resumed } = await operations.recover(({ parameters }) =>
      parameters['tier'] === 'daily'
        ? {
            work: async ({ log }) => {
              log('info', 'going on');
              return done;
            },
          }
        : undefined,
    );
    expect(resumed.map(request => request.id)).toEqual([id]);
    const ended = await operations.ended(id);
    expect(ended).toMatchObject({ phase: 'Completed', startedAt: before!.startedAt, result: { startedAt: before!.startedAt } });
    expect((await world.engine().log(id, { from: 0, limit: 9 })).map(({ message }) => message)).toEqual([
      'taken up again for alice: backup daily',
      'going on',
      'ended Completed',
    ]);
  });

  it('write their log behind what the other process wrote', async () => {
    const { id, dead } = await leftBehind();
    await dead.abandon(lost);
    const line = JSON.stringify({ at: '2026-11-24T00:00:00Z', level: 'info', message: 'written before' });
    await world.store.put(`operations/${id}/log-0001.ndjson`, Buffer.from(`${line}\n`));
    const job = held();
    await operations.recover(() => ({ work: job.work }));
    await job.started;
    const messages = async (of: Operations) => (await of.log(id, { from: 0, limit: 9 })).map(({ message }) => message);
    expect(await messages(operations)).toEqual(['written before', 'taken up again for alice: backup daily']);
    job.finish();
    await operations.ended(id);
    expect(await messages(world.engine())).toEqual(['written before', 'taken up again for alice: backup daily', 'ended Completed']);
  });

  it('are taken up three times and no more: they may be what ends the process', async () => {
    const { id, dead } = await leftBehind();
    await dead.abandon(lost);
    for (let time = 1; time <= 3; time++) {
      let alive = true;
      const next = world.engine({ fence: () => (alive ? open : undefined) });
      const job = held();
      expect((await next.recover(() => ({ work: job.work }))).resumed).toHaveLength(1);
      await job.started;
      alive = false;
      await next.abandon(lost);
    }
    const { resumed, interrupted } = await operations.recover(() => ({ work: held().work }));
    expect(resumed).toEqual([]);
    expect(interrupted).toMatchObject([{ id, error: { message: expect.stringContaining('taken up again 3 times') } }]);
  });

  it('are told from those that are being asked for at the same moment', async () => {
    const stored = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const busy = world.engine({
      change: store => ({
        put: async (key, body, options) => {
          const put = await store.put(key, body, options);
          if (key.endsWith('request.json')) {
            stored.resolve();
            await goOn.promise;
          }
          return put;
        },
      }),
    });
    const submitting = busy.submit(asked, async () => done);
    await stored.promise;
    expect(await busy.recover(() => ({ work: async () => done }))).toMatchObject({ resumed: [], interrupted: [] });
    goOn.resolve();
    const { operation } = await submitting;
    expect((await busy.ended(operation.request.id)).phase).toBe('Completed');
  });

  it('and whose records are damaged are named, and hide no others', async () => {
    const good = await operations.submit(asked, async () => done);
    await operations.ended(good.operation.request.id);
    const bad = '20991124T020000Z-backup-aaaa';
    await world.store.put(`operations/${bad}/request.json`, Buffer.from('{"id":1}\n{}\n'));
    const next = world.engine();
    expect((await next.recover()).damaged).toEqual([expect.stringContaining(bad)]);
    expect((await next.list({ limit: 9 })).map(({ request }) => request.id)).toEqual([good.operation.request.id]);
    await expect(next.get(bad)).rejects.toMatchObject({ code: 'BACKUP_CORRUPT' });
  });

  it('never count as Completed when it cannot be read any more how they ended', async () => {
    const { operation } = await operations.submit(asked, async () => done);
    const { id } = operation.request;
    await operations.ended(id);
    await writeFile(join(world.dir, 'operations', id, 'result.json'), '{"phase":"Completed"}\n{"sha256":"0"}\n');
    const next = world.engine();
    expect((await next.recover()).interrupted).toEqual([]);
    expect(await next.get(id)).toMatchObject({ phase: 'Interrupted', result: { error: { code: 'BACKUP_CORRUPT' } } });
  });
});

describe('operations at the end of a term, and of the service', () => {
  let world: OperationsWorld;
  beforeEach(async () => {
    world = await openOperationsWorld();
  });
  afterEach(() => world.remove());
  it('are left to the next leader when the lead is lost, and nothing is written any more', async () => {
    let fence: Fence | undefined = open;
    const loser = world.engine({ fence: () => fence });
    const job = held();
    const { operation } = await loser.submit(asked, job.work);
    await job.started;
    fence = undefined;
    await loser.abandon(new HoldfastError('NOT_LEADER', 'lost'));
    await expect(world.onDisk(operation.request.id, 'result.json')).rejects.toThrow('ENOENT');
    await expect(loser.submit(asked, async () => done)).rejects.toMatchObject({ code: 'NOT_LEADER', status: 503 });
  });

  it('are marked Interrupted when the service ends before them, and nothing new is taken', async () => {
    const operations = world.engine();
    const [running, waiting] = [held(), held()];
    const first = await operations.submit({ ...asked, lane: 'x' }, running.work);
    const second = await operations.submit({ ...asked, lane: 'x' }, waiting.work);
    await running.started;
    await operations.drain(0);
    for (const { operation } of [first, second]) {
      expect(JSON.parse((await world.onDisk(operation.request.id, 'result.json')).split('\n')[0]!)).toMatchObject({ phase: 'Interrupted' });
    }
    await expect(operations.submit(asked, async () => done)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it('have the time that they are given', async () => {
    const operations = world.engine();
    const job = held();
    const { operation } = await operations.submit(asked, job.work);
    await job.started;
    const drained = operations.drain(60_000);
    job.finish();
    await drained;
    expect(await world.onDisk(operation.request.id, 'result.json')).toContain('"phase":"Completed"');
  });

  it('are marked Interrupted also where their work does not listen', async () => {
    const { sleep, seen, wake } = heldSleeps();
    const operations = world.engine({ runtime: { sleep } });
    const job = held(done, true);
    const { operation } = await operations.submit(asked, job.work);
    await job.started;
    const drained = operations.drain(500);
    await seen(500);
    wake(500);
    // What remains is the time that a stopped job is given.
    await nextTurn();
    await seen(10_000);
    wake(10_000);
    await drained;
    expect(await world.onDisk(operation.request.id, 'result.json')).toContain('"phase":"Interrupted"');
    job.finish();
  });
});
