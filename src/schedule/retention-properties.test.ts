import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oracle } from '../../test/helpers/retention-oracle.ts';
import { someWorld, type World } from '../../test/helpers/retention-world.ts';
import { clockSlackMs } from '../domain/clock-slack.ts';
import { planRetention, toDelete } from './retention.ts';

const runs = { numRuns: 400 };

function deleted(world: World): string[] {
  return toDelete(planRetention(world));
}

/** The same sets, dated days to years after now. */
function inTheFuture(world: World): World['sets'] {
  return world.sets.map((set, index) => {
    const startedAt = new Date(world.now.getTime() + 10 * 60_000 + 1 + index * 40 * 86_400_000).toISOString();
    return { ...set, id: `${set.id.slice(0, -4)}f${String(index).padStart(3, '0')}`, startedAt };
  });
}

describe('any plan', () => {
  it('deletes what the rules, read sentence by sentence, let go, and nothing else', () => {
    fc.assert(
      fc.property(someWorld, world => {
        expect(deleted(world).toSorted()).toEqual(oracle(world).toSorted());
      }),
      { numRuns: 2000 },
    );
  });

  it('decides on every set once, oldest first, with a reason', () => {
    fc.assert(
      fc.property(someWorld, world => {
        const { decisions } = planRetention(world);
        const byId = new Map(world.sets.map(set => [set.id, set]));
        expect(decisions.map(({ set }) => set).toSorted()).toEqual([...byId.keys()].toSorted());
        const times = decisions.map(({ set }) => byId.get(set)!.startedAt);
        expect(times).toEqual(times.toSorted());
        expect(decisions.every(({ reasons }) => reasons.length > 0)).toBe(true);
      }),
      runs,
    );
  });

  it('does not depend on the order in which it is told of sets and holds', () => {
    fc.assert(
      fc.property(
        someWorld.chain(world => fc.tuple(fc.constant(world), fc.shuffledSubarray([...world.sets], { minLength: world.sets.length }))),
        ([world, sets]) => {
          expect(planRetention({ ...world, sets, holds: world.holds.toReversed() })).toEqual(planRetention(world));
        },
      ),
      runs,
    );
  });

  it('leaves nothing for a second run at the same time', () => {
    fc.assert(
      fc.property(someWorld, world => {
        const gone = new Set(deleted(world));
        expect(deleted({ ...world, sets: world.sets.filter(({ id }) => !gone.has(id)) })).toEqual([]);
      }),
      runs,
    );
  });

  it('deletes no other set because some are dated in the future, limited or not', () => {
    fc.assert(
      fc.property(someWorld, fc.boolean(), fc.double({ min: 0.01, max: 1, noNaN: true }), (world, yes, maxShare) => {
        const limited = { ...world, limits: { yes, maxShare } };
        const before = new Set(deleted(limited));
        const after = deleted({ ...limited, sets: [...world.sets, ...inTheFuture(world)] });
        expect(after.filter(id => !before.has(id))).toEqual([]);
      }),
      runs,
    );
  });

  it('leaves every cluster its newest complete set', () => {
    fc.assert(
      fc.property(someWorld, world => {
        const gone = new Set(deleted(world));
        // As everywhere, a clock that is ahead by less than its slack is as good as right.
        const horizon = world.now.getTime() + clockSlackMs;
        const complete = world.sets.filter(set => set.phase === 'Completed' && Date.parse(set.startedAt) <= horizon);
        for (const sets of Map.groupBy(complete, set => (set.phase === 'Completed' ? set.cluster.uid : '')).values()) {
          const newest = sets.reduce((a, b) => (b.startedAt > a.startedAt || (b.startedAt === a.startedAt && b.id > a.id) ? b : a));
          expect(gone.has(newest.id)).toBe(false);
        }
      }),
      runs,
    );
  });

  it('never goes beyond its share, and then says so and deletes nothing', () => {
    fc.assert(
      fc.property(someWorld, fc.double({ min: 0.01, max: 1, noNaN: true }), (world, maxShare) => {
        const plan = planRetention({ ...world, limits: { maxShare } });
        const wanted = oracle(world).length;
        const going = toDelete(plan).length;
        expect(going).toBeLessThanOrEqual(Math.max(3, world.sets.length * maxShare));
        expect([going, plan.blocked === undefined, plan.beyondLimit]).toEqual(plan.beyondLimit ? [0, false, true] : [wanted, true, false]);
      }),
      runs,
    );
  });

  it('lets a set go at the very time that it said, not a millisecond earlier, unless it is the newest by then', () => {
    fc.assert(
      fc.property(someWorld, world => {
        // A set of the future comes to count with time, which is something that happens.
        const sets = world.sets.filter(({ startedAt }) => Date.parse(startedAt) <= world.now.getTime());
        const quiet = { ...world, sets, busy: new Map<string, string>() };
        for (const { set, action, expiresAt } of planRetention(quiet).decisions) {
          if (action === 'delete' || expiresAt === undefined) continue;
          const end = Date.parse(expiresAt);
          expect(end).toBeGreaterThan(world.now.getTime());
          expect(deleted({ ...quiet, now: new Date(end - 1) })).not.toContain(set);
          const then = planRetention({ ...quiet, now: new Date(end) }).decisions.find(one => one.set === set);
          expect(then?.action === 'delete' || then?.reasons.every(reason => reason.startsWith('the newest'))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});
