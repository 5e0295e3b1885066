import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../../test/cluster/wait.ts';
import { createFaultyStore, type FaultyStore, unmetFaults } from '../../test/helpers/faulty-store.ts';
import { asked, done, held, heldSleeps, type OperationsWorld, openOperationsWorld } from '../../test/helpers/operations.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { HoldfastError } from '../domain/errors.ts';
import { isEnded } from '../domain/operation.ts';
import { fencedStore } from '../storage/fenced-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { withRetry } from '../storage/retry.ts';

describe('operations on a store that is away', () => {
  let world: OperationsWorld;
  let away: boolean;
  const flaky = (store: ObjectStore): Partial<ObjectStore> => ({
    put: async (key, body, options) => {
      if (away) throw new HoldfastError('STORE_UNREACHABLE', 'away');
      return store.put(key, body, options);
    },
  });
  beforeEach(async () => {
    world = await openOperationsWorld();
    away = false;
  });
  afterEach(() => world.remove());

  it('tell the truth meanwhile, and write their result and their log when it is back', async () => {
    const { sleep, seen, wake } = heldSleeps();
    const patient = world.engine({ change: flaky, runtime: { sleep } });
    const job = held();
    const { operation } = await patient.submit(asked, job.work);
    const { id } = operation.request;
    await job.started;
    away = true;
    job.finish();
    await seen(1_000);
    expect((await patient.get(id))?.phase).toBe('Completed');
    wake(1_000);
    await seen(2_000);
    away = false;
    wake(2_000);
    expect((await patient.ended(id)).phase).toBe('Completed');
    expect(await world.onDisk(id, 'result.json')).toContain('Completed');
    expect((await world.engine().log(id, { from: 0, limit: 9 })).map(line => line.message)).toEqual([
      'started for alice: backup daily',
      'ended Completed',
    ]);
  });

  it('are recorded by nobody who has lost the lead while the line was tried', async () => {
    let leads = true;
    let tries = 0;
    const check = () => {
      if (!leads) throw new HoldfastError('NOT_LEADER', 'another replica leads');
    };
    // As the service has it: every try asks the fence.
    const bare = {
      ...world.store,
      put: async (...call: Parameters<ObjectStore['put']>) => {
        tries += 1;
        if (away) throw new HoldfastError('STORE_UNREACHABLE', 'away');
        return world.store.put(...call);
      },
    };
    const policy = { attempts: 1_000, totalMs: 60_000, firstMs: 1, maxMs: 5 };
    const operations = world.engine({
      store: withRetry(fencedStore(bare, { check }), policy, testRuntime),
      fence: () => (leads ? { check } : undefined),
    });
    away = true;
    const asking = operations.submit(asked, async () => done);
    await waitFor('three tries', async () => tries >= 3, { timeoutMs: 60_000 });
    leads = false;
    await expect(asking).rejects.toMatchObject({ code: 'NOT_LEADER' });
    const triedSoFar = tries;
    away = false;
    expect(await world.engine().list({ limit: 9 })).toEqual([]);
    expect(tries).toBe(triedSoFar);
  });

  it('are given up by a service that ends, and Interrupted by the next', async () => {
    const { sleep, seen, wake } = heldSleeps();
    const ending = world.engine({ change: flaky, runtime: { sleep } });
    const job = held();
    const { operation } = await ending.submit(asked, job.work);
    await job.started;
    away = true;
    const drained = ending.drain(500);
    await seen(500);
    wake(500);
    for (let settled = 0; settled < 2; settled++) {
      await seen(10_000);
      await nextTurn();
      wake(10_000);
      await nextTurn();
    }
    await drained;
    away = false;
    const next = world.engine();
    expect((await next.recover()).interrupted.map(({ id }) => id)).toEqual([operation.request.id]);
  });

  it('that was asked for while answers were lost are not left behind as if they waited', async () => {
    let lose = true;
    const { sleep, seen, wake } = heldSleeps();
    const unsure = world.engine({
      runtime: { sleep },
      change: store => ({
        put: async (key, body, options) => {
          const stored = await store.put(key, body, options);
          if (lose && key.endsWith('request.json')) throw new HoldfastError('STORE_UNREACHABLE', 'the answer was lost');
          return stored;
        },
        get: (key, options) => {
          if (!lose) return store.get(key, options);
          throw new HoldfastError('STORE_UNREACHABLE', 'away');
        },
      }),
    });
    let ran = false;
    const work = async () => {
      ran = true;
      return done;
    };
    await expect(unsure.submit(asked, work)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    await seen(1_000);
    // Looking for what others left must not get in the way of it.
    expect((await world.engine().list({ limit: 9 })).map(({ phase }) => phase)).toEqual(['Pending']);
    expect((await unsure.recover()).interrupted).toEqual([]);
    const told = new Promise<void>(resolve => {
      const look = async (): Promise<void> => {
        const [one] = await world.engine().list({ limit: 1 });
        if (one !== undefined && isEnded(one.phase)) resolve();
        else setImmediate(() => void look());
      };
      void look();
    });
    lose = false;
    wake(1_000);
    await told;
    expect((await world.engine().list({ limit: 9 }))[0]?.result).toMatchObject({
      phase: 'Failed',
      error: { code: 'STORE_UNREACHABLE', message: expect.stringContaining('it was not started') },
    });
    expect(ran).toBe(false);
  });

  it('end exactly once, however the line behaves', async () => {
    const faults = { refuse: 0.2, loseAnswer: 0.2, tear: 0.1, cut: 0.1, delay: 0.3 };
    const lines: FaultyStore[] = [];
    for (let seed = 1; seed <= 12; seed++) {
      const store = createFaultyStore(world.store, { seed, ...faults });
      lines.push(store);
      const sleep = async (ms: number, signal?: AbortSignal) => {
        // The log’s own rhythm would only add turns; what waits to write a result waits for a power of two of seconds, or a minute in the end.
        if (ms === 10_000) await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
        await nextTurn();
        signal?.throwIfAborted();
      };
      const rough = world.engine({ store, runtime: { sleep } });
      const submitted = await Promise.allSettled(Array.from({ length: 4 }, () => rough.submit(asked, async () => done)));
      for (const one of submitted) {
        if (one.status === 'rejected') continue;
        const ended = await rough.ended(one.value.operation.request.id);
        expect(['Completed', 'Failed']).toContain(ended.phase);
        expect(await world.engine().get(ended.request.id)).toMatchObject({ phase: ended.phase });
      }
    }
    expect(unmetFaults(faults, lines)).toEqual([]);
  });
});
