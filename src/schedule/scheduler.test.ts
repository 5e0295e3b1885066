import { describe, expect, it } from 'vitest';
import { createWorld } from '../../test/helpers/leader-world.ts';
import { day, history, hour, minute, policy, tier } from '../../test/helpers/policies.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Fire, Policy } from '../domain/policy.ts';
import type { DueRun } from './coalesce.ts';
import type { MissedFire } from './due.ts';
import type { FailedFire, History } from './history.ts';
import { runScheduler, type SchedulerOptions } from './scheduler.ts';

const daily = tier('daily', '0 2 * * *');

/** A scheduler in a world that begins on 23 November 2026 at 02:00, UTC; what it starts takes `runMs` and becomes part of the history. */
function scheduler(changes: Partial<SchedulerOptions> = {}, first: Policy[] = [policy([daily])]) {
  const world = createWorld();
  const { runtime } = world.process('a');
  const process = world.process('b');
  const abort = new AbortController();
  const seen = {
    world,
    process,
    abort,
    policies: first,
    runMs: minute,
    fails: false,
    reads: [] as number[],
    started: [] as string[],
    runs: [] as DueRun[],
    missed: [] as MissedFire[],
    errors: [] as HoldfastError[],
    handled: [{ policy: 'platform', tier: 'daily', at: '2026-11-23T02:00:00.000Z' }] as Fire[],
    failed: [] as FailedFire[],
    /** What the history is, were it not for `changes`. */
    past: (): History => history({ handled: [...seen.handled], failed: seen.failed }),
  };
  const ended = { yet: false };
  const running = runScheduler({
    policies: () => seen.policies,
    history: async () => {
      seen.reads.push(world.now());
      return seen.past();
    },
    start: async run => {
      seen.runs.push(run);
      seen.started.push(`${process.runtime.now().toISOString().slice(0, 19)} ${run.fires.map(fire => fire.tier).join(' ')}`);
      await runtime.sleep(seen.runMs);
      if (seen.fails) throw new HoldfastError('STORE_UNREACHABLE', 'gone');
      seen.handled.push(...run.fires);
    },
    onMissed: missed => void seen.missed.push(missed),
    onError: error => void seen.errors.push(error),
    clusterId: 'c1',
    runtime: process.runtime,
    signal: abort.signal,
    ...changes,
  });
  void running.ended.then(() => {
    ended.yet = true;
  });
  return { ...running, seen, hasEnded: () => ended.yet };
}

describe('runScheduler', () => {
  it('starts each fire at its time, once', async () => {
    const { seen } = scheduler();
    await seen.world.advance(3 * day);
    expect(seen.started).toEqual(['2026-11-24T02:00:00 daily', '2026-11-25T02:00:00 daily', '2026-11-26T02:00:00 daily']);
    expect(seen.errors).toEqual([]);
  });

  it('never looks away for longer than 30 seconds, nor more often than there is a reason to', async () => {
    const { seen } = scheduler();
    await seen.world.advance(10 * minute);
    expect(seen.reads).toEqual(Array.from({ length: 21 }, (_, index) => index * 30_000));
  });

  it('notices within 30 seconds that the clock was put forward, and catches up once', async () => {
    const { seen } = scheduler();
    await seen.world.advance(hour);
    seen.process.wallOffset += 40 * day + 5 * hour;
    await seen.world.advance(30_000);
    expect(seen.started).toEqual(['2027-01-02T08:00:30 daily']);
    await seen.world.advance(hour);
    expect(seen.started).toHaveLength(1);
  });

  it('runs nothing again when the clock is put back', async () => {
    const { seen } = scheduler();
    await seen.world.advance(day + 10 * minute);
    seen.process.wallOffset -= 2 * hour;
    await seen.world.advance(4 * hour);
    expect(seen.started).toEqual(['2026-11-24T02:00:00 daily']);
  });

  it('looks at once when poked, and follows the policies as they are then', async () => {
    const { seen, poke } = scheduler();
    await seen.world.advance(hour + 5_000);
    seen.policies = [policy([daily], { name: 'new' })];
    poke();
    await seen.world.advance(1);
    expect(seen.started).toEqual(['2026-11-23T03:00:05 daily']);
    expect(seen.runs[0]?.policy).toBe('new');
  });

  it('looks again when it is poked while it looks', async () => {
    const { seen, poke } = scheduler({
      history: async () => {
        seen.reads.push(seen.world.now());
        if (seen.reads.length === 1) poke();
        return seen.past();
      },
    });
    await seen.world.advance(1);
    expect(seen.reads).toEqual([0, 0]);
  });

  it('goes on with growing delay while the history cannot be read, and does then what was due', async () => {
    let away = true;
    const { seen } = scheduler({
      history: async () => {
        seen.reads.push(seen.world.now() / 1000);
        if (away) throw new HoldfastError('STORE_UNREACHABLE', 'the store is away');
        return seen.past();
      },
    });
    seen.handled = [];
    await seen.world.advance(5 * minute);
    expect(seen.reads.slice(0, 7)).toEqual([0, 1, 3, 7, 15, 31, 61]);
    expect(seen.errors.map(({ code }) => code)).toEqual(seen.reads.map(() => 'STORE_UNREACHABLE'));
    away = false;
    await seen.world.advance(30_000);
    expect(seen.started).toEqual(['2026-11-23T02:05:01 daily']);
  });

  it('gives up a history that does not answer within five minutes, and asks again', async () => {
    let asked = 0;
    const { seen } = scheduler({
      history: () => {
        asked += 1;
        return asked === 1 ? new Promise(() => {}) : Promise.resolve(history());
      },
    });
    await seen.world.advance(5 * minute + 1_000);
    expect(seen.errors.map(({ code }) => code)).toEqual(['TIMEOUT']);
    expect(seen.started).toEqual(['2026-11-23T02:05:01 daily']);
  });
});

describe('what was started', () => {
  it('keeps the rest of its policy waiting, which starts as soon as it ends', async () => {
    const other = tier('other', '5 2 * * *', {
      scope: { selection: { ...daily.scope.selection, includeKinds: ['pods'] }, parts: ['resources'] },
    });
    const narrow = {
      ...daily,
      scope: { selection: { ...daily.scope.selection, includeKinds: ['secrets'] }, parts: ['resources'] as const },
    };
    const { seen } = scheduler({}, [policy([narrow, other]), policy([daily], { name: 'second' })]);
    seen.handled = [];
    seen.runMs = 20 * minute + 7_000;
    await seen.world.advance(hour);
    expect(seen.started).toEqual(['2026-11-23T02:00:00 daily', '2026-11-23T02:00:00 daily', '2026-11-23T02:20:07 other']);
  });

  it('is tried again with growing delay when it failed, though nothing else remembers it', async () => {
    const { seen } = scheduler();
    seen.handled = [];
    seen.fails = true;
    await seen.world.advance(hour + 40 * minute);
    expect(seen.started).toEqual(['02:00', '02:06', '02:17', '02:38', '03:19'].map(time => `2026-11-23T${time}:00 daily`));
    expect(seen.runs.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
    expect(seen.errors.map(({ message }) => message)).toEqual(['gone', 'gone', 'gone', 'gone', 'gone']);
  });

  it('is not taken for failed nor for idle by a history that is a little behind', async () => {
    const { seen } = scheduler({
      start: async run => {
        seen.started.push(run.fires.map(fire => fire.tier).join(' '));
      },
    });
    seen.handled = [];
    await seen.world.advance(4 * minute);
    expect(seen.started).toEqual(['daily']);
  });

  it('may throw at once, which is an error like any other', async () => {
    const { seen } = scheduler({
      start: () => {
        throw new Error('broken');
      },
    });
    seen.handled = [];
    await seen.world.advance(minute);
    expect(seen.errors.map(({ code }) => code)).toEqual(['INTERNAL']);
  });
});

describe('what was missed', () => {
  it('is reported once', async () => {
    const { seen } = scheduler();
    seen.handled = [];
    seen.process.wallOffset = 13 * hour;
    await seen.world.advance(hour);
    expect(seen.missed.map(({ fire }) => fire.at)).toEqual(['2026-11-23T02:00:00.000Z']);
    expect(seen.started).toEqual([]);
  });
});

describe('the fence', () => {
  it('keeps it from starting and reporting anything while another may lead', async () => {
    const closed = { yet: true };
    const fence = {
      check: () => {
        if (closed.yet) throw new HoldfastError('NOT_LEADER', 'another leads');
      },
    };
    const { seen } = scheduler({ fence }, [policy([daily]), policy([daily], { name: 'second' })]);
    seen.handled = [];
    await seen.world.advance(minute);
    expect(seen.started).toEqual([]);
    expect(new Set(seen.errors.map(({ code }) => code))).toEqual(new Set(['NOT_LEADER']));
    closed.yet = false;
    await seen.world.advance(minute);
    expect(seen.started).toHaveLength(2);
  });
});

describe('an abort', () => {
  it('ends it at once while it sleeps', async () => {
    const { seen, hasEnded } = scheduler();
    await seen.world.advance(5_000);
    seen.abort.abort();
    await seen.world.advance(0);
    expect(hasEnded()).toBe(true);
    await seen.world.advance(2 * day);
    expect(seen.started).toEqual([]);
    expect(seen.errors).toEqual([]);
  });

  it('ends it at once while the history does not answer, and nothing starts when it does', async () => {
    let answer: (past: History) => void = () => {};
    const { seen, hasEnded } = scheduler({
      history: () =>
        new Promise(resolve => {
          answer = resolve;
        }),
    });
    await seen.world.advance(1_000);
    seen.abort.abort();
    await seen.world.advance(0);
    expect(hasEnded()).toBe(true);
    answer(history());
    await seen.world.advance(hour);
    expect(seen).toMatchObject({ started: [], errors: [] });
  });

  it('does not wait for what was started', async () => {
    const { seen, hasEnded } = scheduler();
    seen.handled = [];
    seen.runMs = hour;
    await seen.world.advance(minute);
    seen.abort.abort();
    await seen.world.advance(0);
    expect(seen.started).toHaveLength(1);
    expect(hasEnded()).toBe(true);
  });
});
