import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { day, history, hour, minute, namespaces, policy, tier } from '../../test/helpers/policies.ts';
import { type Fire, isScheduled, type Policy, type ScheduledTier } from '../domain/policy.ts';
import { everything } from '../domain/selection.ts';
import type { DueRun } from './coalesce.ts';
import { parseSchedule, previousFire } from './cron.ts';
import { type Decision, decide } from './due.ts';
import type { FailedFire } from './history.ts';
import { jitterOf } from './jitter.ts';
import { retryDelaysMs } from './tier-state.ts';

/** Lives that are lived in each test. 60 take a second or two. */
const lives = 60;
const start = Date.UTC(2026, 0, 1);
const clusterId = 'c1';
const keyOf = (fire: Fire): string => `${fire.policy}/${fire.tier}/${fire.at}`;

const tiers = fc.record({
  schedule: fc.constantFrom('*/15 * * * *', '0 * * * *', '20 */6 * * *', '0 2 * * *', '30 2 * * *', '45 2 * * sun', '0 3 1 * *', '@yearly'),
  timeZone: fc.constantFrom('UTC', 'Europe/Vienna', 'America/Sao_Paulo'),
  selection: fc.constantFrom(everything, everything, namespaces('a'), namespaces('b')),
  startingDeadlineMs: fc.constantFrom(30 * minute, 6 * hour, 3 * day),
  jitterMs: fc.constantFrom(0, 0, 20 * minute, 2 * hour),
});
type TierChoice = typeof tiers extends fc.Arbitrary<infer T> ? T : never;

function makePolicy(choices: readonly TierChoice[], initialBackup: boolean, index: number): Policy {
  const made = choices.map(({ schedule, selection, ...rest }, number) =>
    tier(`t${number}`, schedule, { ...rest, scope: { selection, parts: ['resources'] } }),
  );
  return policy(made, { name: `p${index}`, initialBackup });
}

const policies = fc
  .array(fc.tuple(fc.array(tiers, { minLength: 1, maxLength: 3 }), fc.boolean()), { minLength: 1, maxLength: 2 })
  .map(all => all.map(([choices, initialBackup], index) => makePolicy(choices, initialBackup, index)));

/** One decision, and what happens until the next. */
interface Step {
  /** How long the service is down after it; 0 where it just wakes up when it asked to. */
  readonly downMs: number;
  /** How long what was started takes, and how it ends. */
  readonly runMs: number;
  readonly succeeds: boolean;
  /** By so much the clock is put forward or back. */
  readonly jumpMs: number;
  /** Where, on the way to the next decision, a look must find nothing to do. */
  readonly look: number;
}

const mostly = <T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> => fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, other);

function steps(jumps: boolean): fc.Arbitrary<Step[]> {
  const step = fc.record({
    downMs: mostly(0, fc.integer({ min: minute, max: 20 * day })),
    runMs: mostly(10 * minute, fc.integer({ min: 0, max: 8 * hour })),
    succeeds: fc.integer({ min: 0, max: 3 }).map(dice => dice > 0),
    jumpMs: jumps ? mostly(0, fc.integer({ min: -40 * day, max: 40 * day })) : fc.constant(0),
    look: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });
  return fc.array(step, { minLength: 10, maxLength: 60 });
}

/** A service and its repository, as they are from outside. */
class World {
  now = start;
  /** When the service last came up, or its clock was changed. */
  resumedAt = start;
  readonly policies: readonly Policy[];
  readonly handled: Fire[] = [];
  readonly givenUp: Fire[] = [];
  readonly failed = new Map<string, FailedFire>();
  readonly complete = new Set<string>();
  /** The fires from before `resumedAt` that were run since, by tier. */
  readonly caughtUp = new Map<string, string>();
  running: { readonly run: DueRun; readonly endsAt: number; readonly succeeds: boolean }[] = [];

  constructor(all: readonly Policy[]) {
    this.policies = all;
  }

  decide(now = this.now): Decision {
    const { handled, givenUp, complete } = this;
    const running = this.running.flatMap(({ run }) => run.fires);
    const past = history({ handled, givenUp, complete, running, failed: [...this.failed.values()] });
    return decide({ policies: this.policies, history: past, now: new Date(now), clusterId });
  }

  isBusy(name: string): boolean {
    return this.running.some(({ run }) => run.policy === name);
  }

  isDone(fire: Fire): boolean {
    const all = [...this.handled, ...this.givenUp, ...this.running.flatMap(({ run }) => run.fires)];
    return all.some(done => keyOf(done) === keyOf(fire));
  }

  endRuns(): void {
    for (const { run, endsAt, succeeds } of this.running.filter(one => one.endsAt <= this.now)) {
      if (succeeds) {
        this.handled.push(...run.fires);
        this.complete.add(run.policy);
        continue;
      }
      for (const fire of run.fires) {
        const attempts = 1 + (this.failed.get(keyOf(fire))?.attempts ?? 0);
        this.failed.set(keyOf(fire), { ...fire, attempts, lastAttemptAt: new Date(endsAt).toISOString() });
      }
    }
    this.running = this.running.filter(one => one.endsAt > this.now);
  }

  /** To when the decision wants to be woken, or a run ends, whichever is first; or on to the end of the downtime. */
  goOn(wakeAt: Date, { downMs, jumpMs, look }: Step): void {
    const next = Math.min(wakeAt.getTime(), ...this.running.map(({ endsAt }) => Math.max(endsAt, this.now + 1)));
    const between = this.now + Math.floor(look * (next - this.now));
    expect(this.decide(between), `a look at ${new Date(between).toISOString()}`).toMatchObject({ runs: [], missed: [] });
    this.now = Math.max(next, this.now + downMs);
    this.endRuns();
    if (downMs === 0 && jumpMs === 0) return;
    this.running = this.running.map(one => ({ ...one, endsAt: one.endsAt + jumpMs }));
    this.now += jumpMs;
    this.resumedAt = this.now;
    this.caughtUp.clear();
  }
}

function checkRun(world: World, run: DueRun): void {
  expect(world.isBusy(run.policy), 'two runs of one policy').toBe(false);
  expect(new Set(run.fires.map(fire => fire.tier)).size, 'two fires of one tier').toBe(run.fires.length);
  expect(run.attempt).toBe(1 + Math.max(...run.fires.map(fire => world.failed.get(keyOf(fire))?.attempts ?? 0)));
  for (const fire of run.fires) {
    expect(world.isDone(fire), `${keyOf(fire)} runs twice`).toBe(false);
    if (Date.parse(fire.at) > world.resumedAt) continue;
    const own = `${fire.policy}/${fire.tier}`;
    expect(world.caughtUp.get(own) ?? fire.at, `a second catch-up of ${own}`).toBe(fire.at);
    world.caughtUp.set(own, fire.at);
  }
}

/** Where the newest fire of a tier is neither done, nor at work, nor given up, it has a reason to wait. Older ones are superseded by it. */
function checkNewest(world: World, one: Policy, own: ScheduledTier, isFirst: boolean): void {
  const newest = previousFire(parseSchedule(own.schedule), own.timeZone, new Date(world.now + 1))!.getTime();
  const fire: Fire = { policy: one.name, tier: own.name, at: new Date(newest).toISOString() };
  if (newest < start || world.isDone(fire) || world.isBusy(one.name)) return;
  const initial = isFirst && one.initialBackup && !world.complete.has(one.name);
  const due = newest + (initial ? 0 : jitterOf(one.name, own.name, clusterId, own.jitterMs));
  const failure = world.failed.get(keyOf(fire));
  const retry = failure && Date.parse(failure.lastAttemptAt) + retryDelaysMs[Math.min(failure.attempts, retryDelaysMs.length) - 1]!;
  expect(Math.max(due, retry ?? due), `${keyOf(fire)} is forgotten`).toBeGreaterThan(world.now);
}

function live(all: readonly Policy[], path: readonly Step[], jumps: boolean): void {
  const world = new World(all);
  for (const step of path) {
    const decision = world.decide();
    expect(decision.wakeAt.getTime()).toBeGreaterThan(world.now);
    for (const run of decision.runs) {
      checkRun(world, run);
      world.running.push({ run, endsAt: world.now + step.runMs, succeeds: step.succeeds });
    }
    for (const { fire, deadline } of decision.missed) {
      expect(Date.parse(deadline), 'given up too early').toBeLessThan(world.now);
      expect(world.isDone(fire), 'reported twice, or though it was done').toBe(false);
      world.givenUp.push(fire);
    }
    if (!jumps)
      for (const one of all) one.tiers.filter(isScheduled).forEach((own, index) => void checkNewest(world, one, own, index === 0));
    world.goOn(decision.wakeAt, step);
  }
}

describe('a service that is down at times, and whose runs fail at times', () => {
  it('runs no fire twice, catches up once, forgets none, and wakes up when something becomes due', () => {
    fc.assert(
      fc.property(policies, steps(false), (all, path) => live(all, path, false)),
      { numRuns: lives },
    );
  });

  it('runs no fire twice and makes no storm where its clock jumps too', () => {
    fc.assert(
      fc.property(policies, steps(true), (all, path) => live(all, path, true)),
      { numRuns: lives },
    );
  });
});
