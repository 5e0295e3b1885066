import { expect, it } from 'vitest';
import { fireOf, observedSet } from '../../test/helpers/observed-sets.ts';
import { hour, namespaces, policy, tier } from '../../test/helpers/policies.ts';
import type { Fire, ScheduledTier } from '../domain/policy.ts';
import type { ReadableSet, SetSummary } from '../repository/catalog.ts';
import { objectiveStatuses } from './objectives.ts';

/** Of a policy with this tier: the policy as a whole, and the tier. */
function statuses(now: string, of: ScheduledTier, sets: readonly SetSummary[], calledOff: readonly Fire[] = []) {
  const policies = [policy([of], { objectives: { rpoMs: 26 * hour } })];
  return objectiveStatuses({ policies, sets, restores: [], calledOff, now: new Date(now), nextRun: () => undefined });
}

it('no run is overdue that a set which somebody asked for makes up for', () => {
  const monthly = tier('monthly', '0 2 1 * *');
  const last = observedSet('2026-10-01T02:00:00Z', { tier: 'monthly' });
  const asked = (at: string, changes: Partial<ReadableSet> = {}) => observedSet(at, { tier: 'manual', fires: [], ...changes });
  const overdue = (...sets: ReadableSet[]) => statuses('2026-11-20T12:00:00Z', monthly, [last, ...sets]).map(one => one.overdueSince);
  const since = '2026-11-01T02:00:00.000Z';
  expect(overdue()).toEqual([since, since]);
  expect(overdue(asked('2026-11-02T09:00:00Z'))).toEqual([undefined, undefined]);
  // Taken before the run was due; incomplete; of less than the tier takes.
  expect(overdue(asked('2026-11-01T01:59:00Z'))).toEqual([since, since]);
  expect(overdue(asked('2026-11-02T09:00:00Z', { phase: 'PartiallyFailed' }))).toEqual([since, since]);
  expect(overdue(asked('2026-11-02T09:00:00Z', { selection: namespaces('agents') }))).toEqual([since, since]);
  // It does for no later run.
  const later = statuses('2026-12-01T12:00:00Z', monthly, [last, asked('2026-11-02T09:00:00Z')]);
  expect(later[0]!.overdueSince).toBe('2026-12-01T02:00:00.000Z');
});

it('a run that was called off is not overdue, and said to be called off until there is a set', () => {
  const daily = tier('daily', '0 2 * * *');
  const monday = observedSet('2026-11-23T02:00:05Z', { fires: [fireOf('2026-11-23T02:00:00Z', 'daily')] });
  const calledOff = [fireOf('2026-11-24T02:00:00Z', 'daily'), fireOf('2026-11-24T02:00:00Z', 'daily', 'another')];
  const at = (now: string, sets: readonly SetSummary[] = []) => {
    const { overdueSince, message } = statuses(now, daily, [monday, ...sets], calledOff)[0]!;
    return { overdueSince, isSaid: message.endsWith('; the run of 2026-11-24 02:00 UTC was called off') };
  };
  expect(statuses('2026-11-24T12:00:00Z', daily, [monday], calledOff.slice(1))[0]!.overdueSince).toBe('2026-11-24T02:00:00.000Z');
  expect(at('2026-11-24T12:00:00Z')).toEqual({ overdueSince: undefined, isSaid: true });
  expect(at('2026-11-25T12:00:00Z').overdueSince).toBe('2026-11-25T02:00:00.000Z');
  const next = observedSet('2026-11-25T02:00:05Z', { fires: [fireOf('2026-11-25T02:00:00Z', 'daily')] });
  expect(at('2026-11-25T12:00:00Z', [next])).toEqual({ overdueSince: undefined, isSaid: false });
});
