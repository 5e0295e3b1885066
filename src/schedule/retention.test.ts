import { describe, expect, it } from 'vitest';
import { policy, tier } from '../../test/helpers/policies.ts';
import { keep, platform, set, unreadable } from '../../test/helpers/retention-world.ts';
import type { RetentionPlan as PlanOfTheApi } from '../api/service.ts';
import { defaultPolicies } from '../config/default-policy.ts';
import type { SetSummary } from '../repository/catalog.ts';
import { planRetention, type RetentionInput, type RetentionPlan, toDelete } from './retention.ts';

const now = '2026-11-23T12:00:00.000Z';

function plan(sets: readonly SetSummary[], options: Partial<RetentionInput> = {}): RetentionPlan {
  return planRetention({ sets, policies: [platform], holds: [], busy: new Map(), now: new Date(now), ...options });
}

/** The decision about one of the sets. */
function decision(sets: readonly SetSummary[], about: SetSummary, options: Partial<RetentionInput> = {}) {
  return plan(sets, options).decisions.find(one => one.set === about.id);
}

const newest = set('2026-11-23T02:00:00.000Z', 'daily');

describe('the time of a tier', () => {
  it('keeps a set until it ends, and lets it go from then on', () => {
    const daily = set('2026-10-24T12:00:00.000Z', 'daily');
    expect(decision([daily, newest], daily, { now: new Date('2026-11-23T11:59:59.999Z') })).toEqual({
      ...{ set: daily.id, action: 'keep', reasons: ['daily until 2026-11-23'], expiresAt: '2026-11-23T12:00:00.000Z' },
    });
    expect(decision([daily, newest], daily)).toEqual({
      ...{ set: daily.id, action: 'delete', reasons: ['daily ended 2026-11-23'], expiresAt: '2026-11-23T12:00:00.000Z' },
    });
  });

  it('is the longest where one set stands for several tiers', () => {
    const both = set('2026-11-01T02:00:00.000Z', ['daily', 'weekly']);
    expect(decision([both, newest], both)).toMatchObject({
      reasons: ['daily until 2026-12-01', 'weekly until 2027-01-24', 'the newest complete set of tier weekly'],
      expiresAt: '2027-01-24T02:00:00.000Z',
    });
  });

  it('holds for a set that was asked for under the name of a tier', () => {
    const asked = set('2026-11-01T02:00:00.000Z', 'yearly', { fires: [] });
    expect(decision([asked, newest], asked)).toMatchObject({ expiresAt: '2033-11-01T02:00:00.000Z' });
  });

  it('is told to the minute where it counts hours', () => {
    const hourly = policy([tier('hourly', '0 * * * *', keep(36, 'hour'))]);
    const one = set('2026-11-23T11:00:00.000Z', 'hourly');
    expect(decision([one], one, { policies: [hourly] })?.reasons[0]).toBe('hourly until 2026-11-24T23:00Z');
  });

  it('names the policy where there are several', () => {
    expect(decision([newest], newest, { policies: [platform, policy([], { name: 'agents' })] })?.reasons[0]).toBe(
      'platform/daily until 2026-12-23',
    );
  });
});

describe('a tier that promotes', () => {
  const months = ['09', '10', '11', '12'].map(month => set(`2019-${month}-01T02:00:00.000Z`, 'monthly'));
  const thisYear = set('2026-11-01T02:00:00.000Z', 'monthly');
  const at = { now: new Date('2026-11-23T12:00:00.000Z') };

  it('keeps the last complete set of each period', () => {
    expect(toDelete(plan([...months, thisYear, newest], at))).toEqual(months.slice(0, 3).map(({ id }) => id));
    expect(decision([...months, thisYear, newest], months[3]!, at)).toMatchObject({
      reasons: ['yearly archive of 2019 until 2026-12-01'],
      expiresAt: '2026-12-01T02:00:00.000Z',
    });
  });

  it('lets it go when its own time ends', () => {
    const december = { now: new Date('2026-12-01T02:00:00.000Z') };
    expect(decision([...months, thisYear, newest], months[3]!, december)).toMatchObject({
      action: 'delete',
      reasons: ['monthly ended 2020-12-01', 'yearly archive of 2019 ended 2026-12-01'],
    });
  });

  it('prefers a complete set to a later one that is not', () => {
    const partial = set('2019-12-15T02:00:00.000Z', 'monthly', { phase: 'PartiallyFailed' });
    expect(decision([...months, partial, thisYear, newest], partial, at)?.action).toBe('delete');
    expect(decision([...months, partial, thisYear, newest], months[3]!, at)?.action).toBe('keep');
  });

  it('has the last one so far of the period that goes on', () => {
    expect(decision([thisYear, newest], thisYear)?.reasons).toContain('yearly archive of 2026 so far until 2033-11-01');
  });

  it('does so for each cluster by itself', () => {
    const elsewhere = set('2019-11-28T02:00:00.000Z', 'monthly', { cluster: { uid: 'cluster-2', version: '', server: '' } });
    const later = { ...elsewhere, id: '20261101T020000Z-monthly-zzzz', startedAt: thisYear.startedAt };
    expect(decision([...months, elsewhere, later, thisYear, newest], elsewhere)?.action).toBe('keep');
  });

  it('goes by the ids of sets that were started at the same moment', () => {
    const twin = { ...months[3]!, id: '20191201T020000Z-monthly-zzzz' };
    const decided = [twin, months[3]!].map(one => decision([twin, ...months, thisYear, newest], one)?.action);
    expect(decided).toEqual(['keep', 'delete']);
  });

  it('is not led astray by a set that somebody asked for under that name', () => {
    const asked = set('2019-12-31T02:00:00.000Z', 'monthly', { fires: [] });
    expect(decision([...months, asked, thisYear, newest], months[3]!)?.action).toBe('keep');
  });
});

describe('a set whose time has ended stays', () => {
  const old = set('2026-01-05T02:00:00.000Z', 'daily');
  const older = set('2026-01-04T02:00:00.000Z', 'daily');

  it('when it is the newest complete one, whatever came after it', () => {
    const partial = set('2026-01-06T02:00:00.000Z', 'daily', { phase: 'PartiallyFailed' });
    const future = set('2031-01-06T02:00:00.000Z', 'daily');
    expect(toDelete(plan([older, old, partial, future]))).toEqual([older.id, partial.id]);
    expect(decision([older, old, partial, future], old)).toEqual({
      set: old.id,
      action: 'keep',
      reasons: ['the newest complete set of policy platform', 'the newest complete set of tier daily'],
    });
  });

  it('when it is the newest one at all, and none is complete', () => {
    const failing = [older, old].map(one => ({ ...one, phase: 'PartiallyFailed' as const }));
    expect(toDelete(plan(failing))).toEqual([older.id]);
    expect(decision(failing, old)?.reasons[0]).toBe('the newest set, none being complete, of policy platform');
  });

  it('while somebody holds it, and has no expiry', () => {
    const holds = [{ set: old.id, by: 'alice', reason: 'audit' }];
    expect(decision([old, newest], old, { holds })).toEqual({ set: old.id, action: 'keep', reasons: ['held by alice: audit'] });
  });

  it.each([[old.id], ['all']])('while something is done with %s', which => {
    const busy = new Map([[which, 'being verified']]);
    expect(decision([old, newest], old, { busy })).toMatchObject({ action: 'keep', reasons: ['being verified'] });
  });

  it.each([
    ['its policy is gone', { policies: [] }, 'no policy names its tier (platform/daily): kept until somebody deletes it'],
    ['its tier is gone', { policies: [policy([])] }, 'no policy names its tier (platform/daily): kept until somebody deletes it'],
  ])('when %s', (_, options, reason) => {
    expect(decision([old, newest], old, options)?.reasons[0]).toBe(reason);
    expect(decision([old, newest], old, options)).not.toHaveProperty('expiresAt');
  });

  it('when one of the tiers that it stands for is gone', () => {
    const both = set('2026-01-05T02:00:00.000Z', ['daily', 'hourly']);
    expect(decision([both, newest], both)?.action).toBe('keep');
  });

  it('when it was asked for and belongs to no tier', () => {
    const manual = set('2020-01-05T02:00:00.000Z', 'manual', { fires: [] });
    expect(decision([manual, newest], manual)?.reasons).toEqual(['no policy names its tier (manual): kept until somebody deletes it']);
  });

  it('when it cannot be read, which is reported', () => {
    const broken = unreadable('20200105T020000Z-daily-aaaa', '2020-01-05T02:00:00.000Z');
    expect(decision([broken, newest], broken)?.action).toBe('keep');
    expect(plan([broken, newest]).notices).toEqual([`${broken.id} cannot be read, and is kept: its manifest was altered`]);
  });
});

describe('a set dated in the future', () => {
  it('is kept and reported when more than ten minutes ahead', () => {
    const ahead = set('2026-11-23T12:10:00.001Z', 'daily');
    expect(decision([ahead, newest], ahead)).toMatchObject({
      action: 'keep',
      reasons: ['daily until 2026-12-23', 'dated in the future'],
      expiresAt: '2026-12-23T12:10:00.001Z',
    });
    expect(plan([ahead, newest]).notices).toEqual([expect.stringMatching(`${ahead.id} is dated in the future`)]);
  });

  it('is one like any other when less', () => {
    const ahead = set('2026-11-23T12:10:00.000Z', 'daily');
    expect(plan([ahead, newest]).notices).toEqual([]);
    expect(decision([ahead, newest], ahead)?.reasons).toContain('the newest complete set of policy platform');
  });
});

describe('the share that one run may delete', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      set(new Date(Date.UTC(2020, 0, 1 + i)).toISOString(), 'daily', { id: `20200101T000000Z-daily-${1000 + i}` }),
    );

  it('is a quarter unless told; beyond it nothing goes', () => {
    const fresh = Array.from({ length: 12 }, (_, i) => set(new Date(Date.UTC(2026, 10, 10 + i)).toISOString(), 'daily'));
    expect(toDelete(plan([...many(4), ...fresh]))).toHaveLength(4);
    const over = plan([...many(5), ...fresh]);
    expect(over).toMatchObject({ beyondLimit: true, blocked: '5 of 17 sets would go, and one run may delete 4 without being told to' });
    expect(toDelete(over)).toEqual([]);
    expect(toDelete(plan([...many(5), ...fresh], { limits: { maxShare: 0.3 } }))).toHaveLength(5);
  });

  it('always allows three', () => {
    expect(toDelete(plan(many(4)))).toHaveLength(3);
    expect(toDelete(plan(many(5)))).toEqual([]);
  });

  it('is lifted by a yes, and the plan still says that it was reached', () => {
    const lifted = plan(many(5), { limits: { yes: true } });
    expect(toDelete(lifted)).toHaveLength(4);
    expect(lifted).toMatchObject({ beyondLimit: true });
    expect(lifted).not.toHaveProperty('blocked');
  });
});

describe('the digest', () => {
  const old = set('2026-01-04T02:00:00.000Z', 'daily');

  it('is that of the sets that go, and no matter of what stays', () => {
    expect(plan([old, newest]).digest).toBe(plan([old, newest, set('2026-11-22T02:00:00.000Z', 'daily')]).digest);
    expect(plan([old, newest]).digest).not.toBe(plan([newest]).digest);
  });
});

it('shows in the API as it is', () => {
  const shown: PlanOfTheApi = plan([newest]);
  expect(shown.decisions).toHaveLength(1);
});

it('has a time for every tier of the default policy', () => {
  const sets = ['daily', 'weekly', 'monthly'].map(name => set('2026-11-01T02:00:00.000Z', name));
  expect(plan(sets, { policies: defaultPolicies }).decisions.map(({ expiresAt }) => expiresAt)).toEqual([
    '2026-12-01T02:00:00.000Z',
    '2033-11-01T02:00:00.000Z',
    '2027-01-24T02:00:00.000Z',
  ]);
});
