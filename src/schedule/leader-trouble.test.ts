import { beforeEach, describe, expect, it } from 'vitest';
import { givenBack, longestRetry, startPair, startReplica, timings } from '../../test/helpers/leader-replicas.ts';
import { createWorld, type Fate, failing, type World } from '../../test/helpers/leader-world.ts';

let world: World;

beforeEach(() => {
  world = createWorld();
  world.server.record = givenBack;
});

const pair = () => startPair(world);
const fail = (how: Fate['how'], during?: string) => failing(world, how, during);
const heal = () => fail('answered');

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
