import fc from 'fast-check';
import type { Fire, Period, Policy, PromotedTier } from '../../src/domain/policy.ts';
import { everything } from '../../src/domain/selection.ts';
import { newSetId } from '../../src/domain/set-id.ts';
import type { ReadableSet, SetSummary, UnreadableSet } from '../../src/repository/catalog.ts';
import { addPeriod } from '../../src/schedule/calendar.ts';
import type { RetentionInput } from '../../src/schedule/retention.ts';
import { day, policy, tier } from './policies.ts';

export const keep = (count: number, unit: Period['unit']): { keep: Period } => ({ keep: { count, unit } });

/** The default policy, as retention sees it. */
export const platform: Policy = policy([
  tier('daily', '0 2 * * *', keep(30, 'day')),
  tier('weekly', '0 2 * * 0', keep(12, 'week')),
  tier('monthly', '0 2 1 * *', keep(12, 'month')),
  { name: 'yearly', ...keep(7, 'year'), promote: { from: 'monthly', lastOf: 'year' } },
]);

/** A complete set of one cluster, of a `platform` run of each tier named, or only labelled so. Unless told, its id is of its start. */
export function set(startedAt: string, tiers: string | readonly string[], changes: Partial<ReadableSet> = {}): ReadableSet {
  const names = typeof tiers === 'string' ? [tiers] : tiers;
  const label = changes.tier ?? names.at(-1)!;
  return {
    id: newSetId(new Date(startedAt), label, Buffer.from(label.padEnd(4).slice(0, 4))),
    startedAt,
    finishedAt: startedAt,
    phase: 'Completed',
    tier: label,
    fires: names.map((name): Fire => ({ policy: 'platform', tier: name, at: startedAt })),
    notProtected: [],
    selection: everything,
    objects: 1,
    bytes: 1,
    storedBytes: 1,
    problems: 0,
    consistency: 'instant',
    cluster: { uid: 'cluster-1', version: 'v1.37.2', server: 'https://cluster-1' },
    ...changes,
  };
}

export function unreadable(id: string, startedAt: string): UnreadableSet {
  return { id, startedAt, phase: 'Unreadable', error: { code: 'BACKUP_CORRUPT', message: 'its manifest was altered' } };
}

const someId = fc.string({ unit: fc.constantFrom(...'abcdefghijk23456789'), minLength: 4, maxLength: 4 });
const somePeriod: fc.Arbitrary<Period> = fc.record({
  count: fc.integer({ min: 1, max: 20 }),
  unit: fc.constantFrom('hour', 'day', 'week', 'month', 'year'),
});
const tierNames = ['daily', 'weekly', 'monthly'];

function somePolicy(name: string): fc.Arbitrary<Policy> {
  return fc.subarray(tierNames, { minLength: 1 }).chain(names => {
    const scheduled = fc.tuple(...names.map(tierName => somePeriod.map(period => tier(tierName, '0 2 * * *', { keep: period }))));
    const promoted: fc.Arbitrary<readonly PromotedTier[]> = fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('yearly', 'archive'),
        keep: somePeriod,
        promote: fc.record({ from: fc.constantFrom(...names), lastOf: fc.constantFrom('day', 'week', 'month', 'year') }),
      }),
      { selector: one => one.name, maxLength: 2 },
    );
    return fc.tuple(scheduled, promoted).map(([own, others]) => policy([...own, ...others], { name }));
  });
}

/** Policies as they may be configured when the plan is made: some of those that took the sets are gone. */
const somePolicies = fc
  .tuple(fc.boolean(), somePolicy('platform'), fc.option(somePolicy('agents'), { nil: undefined }))
  .map(([isDefault, first, second]) => [isDefault ? platform : first, ...(second === undefined ? [] : [second])])
  .chain(all => fc.subarray(all));

const aYear = 365.25 * day;
const past: fc.Arbitrary<number> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 90 * day }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 2 * aYear }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 30 * aYear }) },
  // About the tolerance for clocks, and clocks that are plainly wrong.
  { weight: 1, arbitrary: fc.integer({ min: -20 * 60_000, max: 0 }) },
  { weight: 1, arbitrary: fc.integer({ min: -10 * aYear, max: 0 }) },
);

function someSet(now: number): fc.Arbitrary<SetSummary> {
  const fire: fc.Arbitrary<Pick<Fire, 'policy' | 'tier'>> = fc.record({
    policy: fc.constantFrom('platform', 'platform', 'platform', 'agents', 'removed'),
    tier: fc.constantFrom(...tierNames, ...tierNames, 'hourly'),
  });
  return fc
    .record({
      // Whole days ago makes sets that meet the end of a period to the millisecond, and sets of one and the same time.
      start: fc.tuple(past, fc.boolean()).map(([ago, isWhole]) => now - (isWhole ? Math.round(ago / day) * day : ago)),
      fires: fc.oneof(
        { weight: 3, arbitrary: fc.array(fire, { minLength: 1, maxLength: 3 }) },
        { weight: 1, arbitrary: fc.constant<Pick<Fire, 'policy' | 'tier'>[]>([]) },
      ),
      label: fc.constantFrom(...tierNames, ...tierNames, 'yearly', 'manual'),
      labelOfFire: fc.integer({ min: 0, max: 5 }),
      phase: fc.constantFrom('Completed', 'Completed', 'Completed', 'PartiallyFailed', 'Unreadable'),
      uid: fc.constantFrom('cluster-1', 'cluster-1', 'cluster-1', 'cluster-2', ''),
      // Ids that say nothing about the time, or the wrong thing.
      idTime: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: -5 * aYear, max: 5 * aYear }) }),
      suffix: someId,
    })
    .map(({ start, fires, label, labelOfFire, phase, uid, idTime, suffix }): SetSummary => {
      const startedAt = new Date(start).toISOString();
      const tierOfSet = fires[labelOfFire]?.tier ?? label;
      const id = newSetId(new Date(start + idTime), tierOfSet, new Uint8Array(4)).slice(0, -4) + suffix;
      if (phase === 'Unreadable') return unreadable(id, startedAt);
      const cluster = { uid, version: 'v1.37.2', server: 'https://cluster' };
      return set(startedAt, [tierOfSet], {
        id,
        phase: phase as 'Completed',
        fires: fires.map(one => ({ ...one, at: startedAt })),
        cluster,
      });
    });
}

/** What a service that ran for some time has left, with nights on which nothing was taken. */
function someSeries(now: number): fc.Arbitrary<readonly SetSummary[]> {
  return fc
    .record({
      every: fc.constantFrom<Period>({ count: 1, unit: 'day' }, { count: 1, unit: 'week' }, { count: 1, unit: 'month' }),
      count: fc.integer({ min: 0, max: 40 }),
      from: fc.integer({ min: 0, max: 40 * 31 * day }),
      taken: fc.array(fc.constantFrom('Completed', 'Completed', 'PartiallyFailed', 'none'), { minLength: 1, maxLength: 40 }),
      names: fc.subarray(tierNames, { minLength: 1 }),
      suffix: someId,
    })
    .map(({ every, count, from, taken, names, suffix }) =>
      Array.from({ length: count }, (_, i): SetSummary[] => {
        const phase = taken[i % taken.length]!;
        const start = addPeriod(now - from, { ...every, count: i });
        if (phase === 'none') return [];
        const one = set(new Date(start).toISOString(), names, { phase: phase as 'Completed' });
        return [{ ...one, id: one.id.slice(0, -4) + suffix }];
      }).flat(),
    );
}

export type World = RetentionInput;

/** Decades of sets as clocks, failures and people leave them, and what is to be kept of them. The limit is lifted, unless told. */
export const someWorld: fc.Arbitrary<World> = fc
  .integer({ min: Date.UTC(2026, 0), max: Date.UTC(2036, 0) })
  .map(ms => Math.round(ms / day) * day)
  .chain(now =>
    fc.record({
      now: fc.constant(new Date(now)),
      sets: fc
        .tuple(fc.array(someSet(now), { maxLength: 30 }), someSeries(now))
        .map(lists => [...new Map(lists.flat().map(one => [one.id, one])).values()]),
      policies: somePolicies,
      picks: fc.array(fc.record({ index: fc.nat(), what: fc.constantFrom('hold', 'busy') }), { maxLength: 5 }),
    }),
  )
  .map(({ now, sets, policies, picks }) => {
    const picked = (what: string): string[] =>
      sets.length === 0 ? [] : [...new Set(picks.filter(pick => pick.what === what).map(({ index }) => sets[index % sets.length]!.id))];
    return {
      ...{ now, sets, policies, limits: { yes: true } },
      holds: picked('hold').map(id => ({ set: id, by: 'alice', reason: 'audit' })),
      busy: new Map(picked('busy').map(id => [id, 'being restored'])),
    };
  });
