import { beforeEach, describe, expect, it } from 'vitest';
import {
  givenBack,
  longestRetry,
  type ReplicaOptions,
  startPair,
  startReplica,
  timings,
  untilItsEnd,
} from '../../test/helpers/leader-replicas.ts';
import { createWorld, type Fate, failing, type World } from '../../test/helpers/leader-world.ts';
import { HoldfastError } from '../domain/errors.ts';

let world: World;

beforeEach(() => {
  world = createWorld();
  world.server.record = givenBack;
});

const pair = (options?: ReplicaOptions) => startPair(world, options);
const fail = (how: Fate['how'], during?: string) => failing(world, how, during);

describe('of two replicas', () => {
  it('one leads for as long as it lives, and both know who', async () => {
    const { first, second } = await pair();
    await world.advance(300_000, () => expect(second.leads()).toBe(false));
    expect(first.leads()).toBe(true);
    expect(first.terms.map(term => term.transitions)).toEqual([7]);
    expect([first.seen, second.seen]).toEqual([['', 'first'], ['first']]);
    expect(world.server.record).toMatchObject({ holderIdentity: 'first', leaseDurationSeconds: 15, leaseTransitions: 7 });
    expect(world.server.record?.renewTime).toMatch(/^2026-11-23T02:05:0\d\.\d{6}Z$/);
    expect(world.server.record?.acquireTime).toMatch(/^2026-11-23T02:00:00\.\d{6}Z$/);
  });

  it('the second leads when the first was killed, but not before its lease has run out', async () => {
    const { first, second } = await pair();
    const last = Date.parse(world.server.record!.renewTime);
    first.process.stopped = true;
    await world.advance(last + timings.leaseDurationMs - second.process.runtime.now().getTime(), () => expect(second.leads()).toBe(false));
    await world.advance(2 * longestRetry);
    expect(second.leads()).toBe(true);
    expect(second.terms.map(term => term.transitions)).toEqual([8]);
    expect(second.seen).toEqual(['first', 'second']);
  });

  it('the second leads at its next look when the first was stopped in order', async () => {
    const { first, second } = await pair();
    first.stop();
    await world.advance(longestRetry);
    expect(await first.ended).toBe('ended');
    expect([first.leads(), second.leads()]).toEqual([false, true]);
    expect(first.stopped).toEqual(['INTERRUPTED']);
    expect(second.seen.at(-1)).toBe('second');
  });

  it('the first keeps the lease until its work has wound down, and gives it back then', async () => {
    const { first, second } = await pair({
      work: async (leadership, process) => {
        await untilItsEnd(leadership);
        await process.runtime.sleep(12_000);
        leadership.fence.check();
      },
    });
    first.stop();
    await world.advance(11_900, () => expect(second.leads()).toBe(false));
    expect(first.leads()).toBe(true);
    await world.advance(longestRetry + 200);
    expect([first.leads(), second.leads()]).toEqual([false, true]);
    expect(await first.ended).toBe('ended');
  });

  it('the second waits for the lease to run out where work of the first does not end', async () => {
    const { first, second } = await pair({ work: () => new Promise(() => {}) });
    first.stop();
    await world.advance(timings.leaseDurationMs + 100, () => expect(second.leads()).toBe(false));
    expect(await first.ended).toBe('ended');
    expect(first.leads()).toBe(false);
    await world.advance(timings.leaseDurationMs - 2_500, () => expect(second.leads()).toBe(false));
    await world.advance(2_500 + longestRetry);
    expect(second.leads()).toBe(true);
  });

  it('both of one name are still two', async () => {
    const { first } = await pair();
    const twin = startReplica(world, 'twin', { identity: 'first' });
    await world.advance(60_000, () => expect([first.leads(), twin.leads()]).toEqual([true, false]));
  });

  it('neither minds clocks that jump, stand still or are days apart', async () => {
    const { first, second } = await pair();
    first.process.wallOffset = -86_400_000;
    second.process.wallOffset = 86_400_000;
    await world.advance(30_000, () => expect([first.leads(), second.leads()]).toEqual([true, false]));
    for (let i = 0; i < 60; i++) {
      await world.advance(1_000, () => expect([first.leads(), second.leads()]).toEqual([true, false]));
      first.process.wallOffset -= 1_000;
    }
  });
});

describe('a leader that was stopped for longer than its lease', () => {
  it('finds its fence closed before any of its timers ran, and is a candidate again', async () => {
    const { first, second } = await pair();
    const term = first.terms[0]!;
    first.process.stopped = true;
    await world.advance(40_000);
    expect(second.leads()).toBe(true);
    expect(term.signal.aborted).toBe(false);
    expect(() => term.fence.check()).toThrow(expect.objectContaining({ code: 'NOT_LEADER' }));
    first.process.stopped = false;
    await world.advance(10);
    expect(term.signal.reason).toMatchObject({ code: 'NOT_LEADER' });
    expect(first.stopped).toEqual(['NOT_LEADER']);
    second.stop();
    await world.advance(longestRetry);
    expect(first.leads()).toBe(true);
    expect(first.terms.map(one => one.transitions)).toEqual([7, 9]);
  });

  it('does not go on with the old term even where nobody took over', async () => {
    const first = startReplica(world, 'first');
    await world.advance(5_000);
    first.process.stopped = true;
    await world.advance(11_000);
    first.process.stopped = false;
    await world.advance(longestRetry);
    expect(first.stopped).toEqual(['NOT_LEADER']);
    expect(first.terms.map(term => term.transitions)).toEqual([7, 8]);
    expect(() => first.terms[0]!.fence.check()).toThrow(HoldfastError);
    expect(first.leads()).toBe(true);
  });

  it('takes NOT_LEADER out of its own work for the loss that it is', async () => {
    const { first } = await pair({
      work: async ({ fence }, process) => {
        for (;;) {
          await process.runtime.sleep(1);
          fence.check();
        }
      },
    });
    first.process.stopped = true;
    await world.advance(20_000);
    first.process.stopped = false;
    await world.advance(10);
    expect(first.stopped).toEqual(['NOT_LEADER']);
    first.stop();
    await world.advance(5_000);
    expect(await first.ended).toBe('ended');
  });
});

describe('an election', () => {
  it('ends with the error of work that fails by itself, and gives the lease back', async () => {
    const first = startReplica(world, 'first', {
      work: async (_, process) => {
        await process.runtime.sleep(5_000);
        throw new HoldfastError('STORE_FULL', 'no space left');
      },
    });
    await world.advance(6_000);
    expect(await first.ended).toMatchObject({ code: 'STORE_FULL' });
    expect(first.stopped).toEqual(['STORE_FULL']);
    expect(world.server.record).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
  });

  it('goes on where the work of a term ends early: the lead is kept', async () => {
    const { first } = await pair({ work: async () => {} });
    await world.advance(60_000);
    expect([first.leads(), first.terms.length]).toEqual([true, 1]);
  });

  it('ends at once for a candidate, and in bounded time where nobody answers', async () => {
    const { first, second } = await pair();
    fail('hangs');
    await world.advance(1_000);
    second.stop();
    await world.advance(10);
    expect(await second.ended).toBe('ended');
    first.stop();
    await world.advance(timings.renewDeadlineMs / 2 + 10);
    expect(await first.ended).toBe('ended');
    expect(first.troubles).toContain('TIMEOUT');
  });

  it.each([
    { leaseDurationMs: 10_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
    { leaseDurationMs: 15_000, renewDeadlineMs: 2_400, retryPeriodMs: 2_000 },
    { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 0 },
    { leaseDurationMs: Number.NaN, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
  ])('refuses timings that cannot work: %o', async bad => {
    expect(await startReplica(world, 'first', { timings: bad }).ended).toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
