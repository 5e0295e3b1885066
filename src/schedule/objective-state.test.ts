import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alteredSet, fireOf, observedSet } from '../../test/helpers/observed-sets.ts';
import { day, hour, minute, namespaces, policy, tier } from '../../test/helpers/policies.ts';
import type { SetSummary } from '../repository/catalog.ts';
import { nextFire, parseSchedule } from './cron.ts';
import { recoveryTime, worse } from './objective-state.ts';
import { type ObjectivesInput, objectiveStatuses } from './objectives.ts';

const daily = tier('daily', '0 2 * * *');
const platform = policy([daily], { objectives: { rpoMs: 26 * hour } });
const monday = Date.parse('2026-11-23T02:00:00Z');

function look(now: number, sets: readonly SetSummary[], changes: Partial<ObjectivesInput> = {}) {
  const nextRun = () => nextFire(parseSchedule(daily.schedule), 'UTC', new Date(now));
  return objectiveStatuses({
    policies: [platform],
    sets,
    restores: [],
    now: new Date(now),
    nextRun,
    isOwn: ({ uid }) => uid === 'c1',
    ...changes,
  })[0]!;
}

/** A set of each of the last days, which took as long as told. */
function daysOf(tookMs: number, until: number): SetSummary[] {
  return Array.from({ length: 8 }, (_, index) => monday + (index - 4) * day)
    .filter(at => at + tookMs <= until)
    .map(at => observedSet(new Date(at).toISOString(), { finishedAt: new Date(at + tookMs).toISOString() }));
}

describe('a day of backups within a promise of 26 hours', () => {
  it('is never at risk, nor late, as long as each run ends within an hour', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 3 * 24 * 60 }), (took, offset) => {
        const now = monday + offset * minute;
        const status = look(now, daysOf(took * minute, now));
        expect(status.state).toBe('met');
        expect(status.overdueSince).toBeUndefined();
      }),
    );
  });

  it('is at risk from the moment on at which the next run could not end in time', () => {
    const long = daysOf(3 * hour, monday + 12 * hour);
    expect(look(monday + 12 * hour, long).state).toBe('at-risk');
  });
});

describe('what counts', () => {
  const now = monday + 12 * hour;
  const sets = daysOf(minute, now);

  it('is the same in any order', () => {
    const expected = look(now, sets);
    fc.assert(
      fc.property(fc.shuffledSubarray(sets, { minLength: sets.length }), shuffled => {
        expect(look(now, shuffled)).toEqual(expected);
      }),
    );
  });

  it('is no set of another cluster, of a wrong clock, of another policy, on demand of less than a tier takes, partly failed or altered', () => {
    const useless: SetSummary[] = [
      observedSet('2026-11-23T02:00:00Z', { cluster: { uid: 'c2', version: '', server: '' } }),
      observedSet('2026-11-23T14:11:00Z'),
      observedSet('2026-11-23T03:00:00Z', { fires: [fireOf('2026-11-23T02:00:00Z', 'daily', 'other')] }),
      observedSet('2026-11-23T04:00:00Z', { fires: [], selection: namespaces('agents') }),
      observedSet('2026-11-23T05:00:00Z', { phase: 'PartiallyFailed' }),
      alteredSet('2026-11-23T06:00:00Z'),
    ];
    fc.assert(
      fc.property(fc.subarray(useless), some => {
        const status = look(now, some);
        expect(status).toMatchObject({ state: 'breached' });
        expect(status.lastComplete).toBeUndefined();
        expect(look(now, [...sets, ...some]).lastComplete).toEqual(look(now, sets).lastComplete);
      }),
    );
  });

  it('is a set of a clock that is a little ahead, as one of this moment', () => {
    expect(look(now, [observedSet(new Date(now + 9 * minute).toISOString())])).toMatchObject({ state: 'met', rpoNowMs: 0 });
  });

  it('is no run of a suspended policy: its sets grow old, and none is expected', () => {
    const status = look(now, sets, { policies: [{ ...platform, suspend: true }] });
    expect(status).toMatchObject({ state: 'at-risk' });
    expect(status.nextRun).toBeUndefined();
  });
});

it('a recovery time is kept up to what was promised, and at risk from four fifths of it on', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 0, max: 2_000_000 }), (objective, last) => {
      const state = recoveryTime(objective, last);
      expect(state === 'breached').toBe(last > objective);
      expect(state === 'met').toBe(last <= 0.8 * objective);
    }),
  );
  expect([recoveryTime(undefined, 5), recoveryTime(5, undefined)]).toEqual(['unknown', 'unknown']);
});

it('of two objectives the worse one counts, and what is unknown says nothing', () => {
  expect([worse('met', 'unknown'), worse('unknown', 'breached'), worse('at-risk', 'met')]).toEqual(['met', 'breached', 'at-risk']);
});
