import { isScheduled, type Period, type PeriodUnit } from '../../src/domain/policy.ts';
import type { ReadableSet } from '../../src/repository/catalog.ts';
import type { World } from './retention-world.ts';

// The rules of docs/retention.md once more, sentence by sentence, without the program's own arithmetic, indexes or sharing.

const tolerance = 10 * 60_000;

/** Ids of the sets that may be deleted. */
export function oracle(world: World): string[] {
  return world.sets.filter(set => set.phase !== 'Unreadable' && mayGo(set as ReadableSet, world)).map(({ id }) => id);
}

function mayGo(set: ReadableSet, world: World): boolean {
  const { now, holds, busy } = world;
  const isHeld = holds.some(hold => hold.set === set.id);
  const isFuture = startOf(set) > now.getTime() + tolerance;
  if (isHeld || busy.has(set.id) || isFuture || hasForeignTier(set, world)) return false;
  return ends(set, world).every(end => end <= now) && !isNewest(set, world);
}

const startOf = (set: ReadableSet): number => new Date(set.startedAt).valueOf();

type Origin = 'run' | 'request';

/** Does the set belong to this tier, and is that because of a run? */
function belongs(set: ReadableSet, policy: string, tier: string): Origin | undefined {
  if (set.fires.some(fire => fire.policy === policy && fire.tier === tier)) return 'run';
  if (set.tier !== tier) return undefined;
  return set.fires.length === 0 || set.fires.some(fire => fire.policy === policy) ? 'request' : undefined;
}

function hasForeignTier(set: ReadableSet, { policies }: World): boolean {
  const exists = (policy: string, tier: string) =>
    policies.some(({ name, tiers }) => name === policy && tiers.some(one => one.name === tier));
  if (set.fires.some(({ policy, tier }) => !exists(policy, tier))) return true;
  return !policies.some(({ name, tiers }) => tiers.some(({ name: tier }) => tier === set.tier && belongs(set, name, tier) !== undefined));
}

function ends(set: ReadableSet, world: World): Date[] {
  const found: Date[] = [];
  for (const policy of world.policies) {
    for (const tier of policy.tiers) {
      if (belongs(set, policy.name, tier.name) !== undefined) found.push(endOf(set, tier.keep));
      if (isScheduled(tier)) continue;
      const { from, lastOf } = tier.promote;
      const origin = belongs(set, policy.name, from);
      if (origin !== 'run' || set.phase !== 'Completed') continue;
      const isLast = rivals(set, world, other => belongs(other, policy.name, from) === origin)
        .filter(other => other.phase === 'Completed' && samePeriod(new Date(other.startedAt), new Date(set.startedAt), lastOf))
        .every(other => isOlder(other, set));
      if (isLast) found.push(endOf(set, tier.keep));
    }
  }
  return found;
}

function isNewest(set: ReadableSet, world: World): boolean {
  return world.policies.some(policy => {
    const origins = (other: ReadableSet) => policy.tiers.map(tier => belongs(other, policy.name, tier.name));
    const ofTier = policy.tiers.some(tier => {
      const origin = belongs(set, policy.name, tier.name);
      return (
        origin !== undefined &&
        isBest(
          set,
          rivals(set, world, other => belongs(other, policy.name, tier.name) === origin),
        )
      );
    });
    const ofPolicy = (['run', 'request'] as const).some(
      origin =>
        origins(set).includes(origin) &&
        isBest(
          set,
          rivals(set, world, other => origins(other).includes(origin)),
        ),
    );
    return ofTier || ofPolicy;
  });
}

/** Only where nothing is complete does an incomplete set count. */
function isBest(set: ReadableSet, others: readonly ReadableSet[]): boolean {
  const phase = [set, ...others].some(one => one.phase === 'Completed') ? 'Completed' : 'PartiallyFailed';
  return set.phase === phase && others.filter(other => other.phase === phase).every(other => isOlder(other, set));
}

/** The other sets of the same cluster that a clock did not date wrongly. */
function rivals(set: ReadableSet, { sets, now }: World, among: (other: ReadableSet) => boolean): ReadableSet[] {
  return sets
    .filter(other => other.phase !== 'Unreadable')
    .filter(other => other.id !== set.id && other.cluster.uid === set.cluster.uid && startOf(other) <= now.getTime() + tolerance)
    .filter(among);
}

function isOlder(a: ReadableSet, b: ReadableSet): boolean {
  return a.startedAt < b.startedAt || (a.startedAt === b.startedAt && a.id < b.id);
}

/** By counting on day by day and month by month, as a person with a calendar would. */
function endOf(set: ReadableSet, { count, unit }: Period): Date {
  const start = new Date(set.startedAt);
  const date = new Date(start);
  if (unit === 'hour') date.setUTCHours(start.getUTCHours() + count);
  if (unit === 'day') date.setUTCDate(start.getUTCDate() + count);
  if (unit === 'week') date.setUTCDate(start.getUTCDate() + 7 * count);
  if (unit === 'month' || unit === 'year') {
    date.setUTCMonth(start.getUTCMonth() + (unit === 'year' ? 12 : 1) * count);
    // The month had no such day, and the date ran over into the next: back to the last day of the one before.
    if (date.getUTCDate() !== start.getUTCDate()) date.setUTCDate(0);
  }
  return date;
}

function samePeriod(a: Date, b: Date, unit: Exclude<PeriodUnit, 'hour'>): boolean {
  const text = { day: 10, month: 7, year: 4 } as const;
  if (unit !== 'week') return a.toISOString().slice(0, text[unit]) === b.toISOString().slice(0, text[unit]);
  return monday(a) === monday(b);
}

function monday(date: Date): string {
  const day = new Date(`${date.toISOString().slice(0, 10)}T12:00:00Z`);
  while (day.getUTCDay() !== 1) day.setUTCDate(day.getUTCDate() - 1);
  return day.toISOString();
}
