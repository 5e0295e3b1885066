import { beforeEach, describe, expect, it } from 'vitest';
import { type ReplicaOptions, startReplica, timings, untilItsEnd } from '../../test/helpers/leader-replicas.ts';
import { createWorld, type Fate, type World } from '../../test/helpers/leader-world.ts';
import { HoldfastError } from '../domain/errors.ts';

/** A candidate asks at least this often, milliseconds. */
const longestRetry = timings.retryPeriodMs * 1.2 + 10;

let world: World;

/** The lease as a leader leaves it that was stopped in order. */
const givenBack = {
  holderIdentity: '',
  leaseDurationSeconds: 1,
  acquireTime: '2026-11-20T02:00:00.000001Z',
  renewTime: '2026-11-20T02:00:00.000001Z',
  leaseTransitions: 6,
};

beforeEach(() => {
  world = createWorld();
  world.server.record = givenBack;
});

/** Two replicas; the first leads. */
async function pair(options: ReplicaOptions = {}) {
  const first = startReplica(world, 'first', options);
  await world.advance(100);
  const second = startReplica(world, 'second');
  await world.advance(5_000);
  expect([first.leads(), second.leads()]).toEqual([true, false]);
  return { first, second };
}

function fail(how: Fate['how'], during?: string): void {
  world.server.fate = doing => ({ requestMs: 2, answerMs: 2, how: during === undefined || doing === during ? how : 'answered' });
}

function heal(): void {
  fail('answered');
}

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

describe('when the API server', () => {
  it('is away for less than the renew deadline, the leader leads on', async () => {
    const { first, second } = await pair();
    fail('refused');
    await world.advance(5_000);
    heal();
    await world.advance(60_000, () => expect([first.leads(), second.leads()]).toEqual([true, false]));
    expect(first.terms.length).toBe(1);
    expect(first.troubles).toContain('CLUSTER_UNREACHABLE');
  });

  it.each(['refused', 'hangs', 'lost'] as const)(
    'is away for longer (%s), the leader stops within its deadline, and one leads afterwards',
    async how => {
      const { first, second } = await pair();
      fail(how);
      await world.advance(timings.renewDeadlineMs + 10);
      expect(first.terms[0]!.signal.reason).toMatchObject({ code: 'NOT_LEADER' });
      expect([first.leads(), second.leads()]).toEqual([false, false]);
      await world.advance(60_000, () => expect([first.leads(), second.leads()]).toEqual([false, false]));
      heal();
      await world.advance(timings.leaseDurationMs + 2 * longestRetry);
      expect([first.leads(), second.leads()].filter(Boolean).length).toBe(1);
    },
  );

  it('does what it is asked but its answer is lost, the candidate leads at its next try', async () => {
    fail('lost', 'replace');
    const first = startReplica(world, 'first');
    await world.advance(100);
    expect(first.leads()).toBe(false);
    heal();
    await world.advance(longestRetry);
    expect(first.leads()).toBe(true);
  });

  it('answers a renewal late, the time counts from its sending', async () => {
    const { first } = await pair();
    const sentBy = world.now();
    world.server.fate = () => ({ requestMs: 2, answerMs: 4_000, how: 'answered' });
    await world.advance(timings.retryPeriodMs + 4_000);
    fail('refused');
    await world.advance(sentBy + timings.retryPeriodMs + timings.renewDeadlineMs - world.now());
    expect(first.leads()).toBe(false);
  });

  it('answers an acquisition when its time is over, nobody leads by it', async () => {
    const first = startReplica(world, 'first');
    world.server.fate = () => ({ requestMs: 2, answerMs: 1, how: 'answered' });
    await world.advance(3);
    first.process.stopped = true;
    await world.advance(12_000);
    first.process.stopped = false;
    await world.advance(5);
    expect([first.leads(), first.terms.length]).toEqual([false, 0]);
    await world.advance(longestRetry);
    expect(first.leads()).toBe(true);
  });

  it('refuses the account, that is told, and asked again', async () => {
    fail('forbidden');
    const first = startReplica(world, 'first');
    await world.advance(20_000);
    expect(first.troubles.length).toBeGreaterThan(5);
    expect(new Set(first.troubles)).toEqual(new Set(['CLUSTER_FORBIDDEN']));
    heal();
    await world.advance(longestRetry);
    expect(first.leads()).toBe(true);
  });
});

describe('a lease changed by hand', () => {
  it('that is deleted is made again by its leader, and nobody else leads', async () => {
    const { first, second } = await pair();
    for (let i = 0; i < 20; i++) {
      world.server.record = undefined;
      await world.advance(1_300 + i * 50, () => expect([first.leads(), second.leads()]).toEqual([true, false]));
    }
    await world.advance(longestRetry);
    expect(first.terms.length).toBe(1);
    expect(world.server.record?.holderIdentity).toBe('first');
  });

  it('that is deleted after its leader died is waited out all the same', async () => {
    const { first, second } = await pair();
    first.process.stopped = true;
    world.server.record = undefined;
    await world.advance(timings.leaseDurationMs - longestRetry, () => expect(second.leads()).toBe(false));
    await world.advance(timings.renewDeadlineMs + 4 * longestRetry);
    expect(second.leads()).toBe(true);
  });

  it('that is deleted before others saw who had just taken it is waited out from then', async () => {
    const { first, second } = await pair();
    world.server.record = { ...world.server.record!, holderIdentity: 'unseen', leaseTransitions: 7 };
    first.process.stopped = true;
    await world.advance(timings.leaseDurationMs - 2 * longestRetry, () => expect(second.leads()).toBe(false));
    world.server.record = undefined;
    await world.advance(timings.leaseDurationMs, () => expect(second.leads()).toBe(false));
    await world.advance(timings.renewDeadlineMs + 3 * longestRetry);
    expect(second.leads()).toBe(true);
  });

  it('or one that never was: who creates it leads when nobody from before can act any more', async () => {
    world.server.record = undefined;
    const first = startReplica(world, 'first');
    await world.advance(timings.renewDeadlineMs, () => expect(first.leads()).toBe(false));
    await world.advance(longestRetry);
    expect(first.leads()).toBe(true);
    expect(first.terms.map(term => term.transitions)).toEqual([0]);
  });

  it('that is deleted while its leader acts is nobody’s who has just come and saw none', async () => {
    const first = startReplica(world, 'first');
    await world.advance(5_000);
    world.server.record = undefined;
    const newcomer = startReplica(world, 'newcomer');
    await world.advance(60_000, () => expect([first.leads(), newcomer.leads()]).not.toEqual([true, true]));
    expect([first.leads(), newcomer.leads()]).toEqual([false, true]);
  });

  it('to name somebody else ends the term at the next renewal', async () => {
    const { first, second } = await pair();
    world.server.record = { ...world.server.record!, holderIdentity: 'somebody' };
    world.server.revision += 1;
    await world.advance(timings.retryPeriodMs + 10);
    expect(first.leads()).toBe(false);
    expect(first.terms[0]!.signal.reason).toMatchObject({ code: 'NOT_LEADER', message: expect.stringContaining('somebody') });
    expect(second.leads()).toBe(false);
  });

  it('to name nobody gives the lead to nobody while the leader may still act', async () => {
    const { first, second } = await pair();
    world.server.record = { ...world.server.record!, holderIdentity: '' };
    world.server.revision += 1;
    await world.advance(60_000, () => expect([first.leads(), second.leads()]).not.toEqual([true, true]));
    expect([first.leads(), second.leads()].filter(Boolean).length).toBe(1);
  });

  it('in what the election does not use changes nothing, and does not keep a dead leader alive', async () => {
    const { first, second } = await pair();
    const touch = async () => {
      world.server.revision += 1;
      await world.advance(700, () => expect([first.leads(), second.leads()]).not.toEqual([true, true]));
    };
    for (let i = 0; i < 30; i++) await touch();
    expect([first.leads(), first.terms.length]).toEqual([true, 1]);
    first.process.stopped = true;
    for (let i = 0; i < 30; i++) await touch();
    expect(second.leads()).toBe(true);
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
