import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/faulty-store.ts';
import { day, hour, policy, tier } from '../../test/helpers/policies.ts';
import { oracle } from '../../test/helpers/retention-oracle.ts';
import { keep, set, type World } from '../../test/helpers/retention-world.ts';
import { defaultPolicies } from '../config/default-policy.ts';
import type { ReadableSet, SetSummary } from '../repository/catalog.ts';
import { planRetention, toDelete } from './retention.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

describe('nine years of the default policy without an incident', () => {
  it('leave thirty days, twelve weeks, twelve months and seven years', () => {
    let sets: SetSummary[] = [];
    for (let midnight = Date.UTC(2026, 0, 1); midnight <= Date.UTC(2035, 2, 18); midnight += day) {
      sets.push(ofNight(midnight + 2 * hour));
      const now = new Date(midnight + 3 * hour);
      const plan = planRetention({ sets, policies: defaultPolicies, holds: [], busy: new Map(), now });
      expect(plan.blocked).toBeUndefined();
      const gone = new Set(toDelete(plan));
      sets = sets.filter(({ id }) => !gone.has(id));
    }
    const nights = (count: number, every: number, last: number) => Array.from({ length: count }, (_, i) => iso(last - i * every * day));
    const expected = [
      ...nights(30, 1, Date.UTC(2035, 2, 18, 2)),
      ...nights(12, 7, Date.UTC(2035, 2, 18, 2)),
      ...Array.from({ length: 12 }, (_, i) => iso(Date.UTC(2035, 2 - i, 1, 2))),
      ...Array.from({ length: 7 }, (_, i) => iso(Date.UTC(2034 - i, 11, 1, 2))),
    ];
    expect(sets.map(({ startedAt }) => startedAt)).toEqual([...new Set(expected)].toSorted());
  });

  /** One set for all tiers that fire in this night. */
  function ofNight(at: number): ReadableSet {
    const date = new Date(at);
    return set(iso(at), ['daily', ...(date.getUTCDay() === 0 ? ['weekly'] : []), ...(date.getUTCDate() === 1 ? ['monthly'] : [])]);
  }
});

const platform = policy([
  tier('hourly', '@hourly', keep(36, 'hour')),
  tier('daily', '@daily', keep(10, 'day')),
  tier('monthly', '@monthly', keep(7, 'month')),
  { name: 'yearly', ...keep(4, 'year'), promote: { from: 'monthly', lastOf: 'year' } },
]);
const agents = policy(
  [tier('daily', '@daily', keep(3, 'week')), { name: 'weekly', ...keep(3, 'month'), promote: { from: 'daily', lastOf: 'week' } }],
  { name: 'agents' },
);

interface Life extends Omit<World, 'now'> {
  readonly now: number;
}

describe.each([1, 2, 3])('three decades of gaps, failures, wrong clocks, holds and changed policies, seed %i', seed => {
  it('lose at every step what the rules let go, and never the newest complete set', () => {
    const random = seededRandom(seed);
    const chance = (share: number) => random() < share;
    const upTo = (most: number) => Math.floor(random() * most);
    let life: Life = { sets: [], holds: [], policies: [platform, agents], busy: new Map(), limits: { yes: true }, now: Date.UTC(2000, 0) };
    let deleted = 0;
    for (let step = 0; life.now < Date.UTC(2030, 0); step++) {
      const { sets, holds } = life;
      const some = sets[upTo(sets.length)]?.id;
      const now = life.now + (chance(0.02) ? upTo(400) : upTo(24)) * day + upTo(day);
      life = {
        ...life,
        now,
        sets: [...sets, ...Array.from({ length: upTo(6) }, (_, i) => someSet(now - upTo(day), `${step}-${i}`))],
        holds: [...(chance(0.05) ? holds.slice(1) : holds), ...(some && chance(0.05) ? [{ set: some, by: 'alice', reason: 'audit' }] : [])],
        busy: new Map(some && chance(0.3) ? [[some, 'being verified']] : []),
        policies: chance(0.02) ? [platform] : chance(0.1) ? [platform, agents] : life.policies,
      };
      const world: World = { ...life, now: new Date(now) };
      const gone = toDelete(planRetention(world));
      expect(gone.toSorted()).toEqual(oracle(world).toSorted());
      const before = newestComplete(life);
      life = { ...life, sets: life.sets.filter(({ id }) => !gone.includes(id)) };
      expect(newestComplete(life)).toEqual(before);
      deleted += gone.length;
    }
    expect(deleted).toBeGreaterThan(1000);

    function someSet(at: number, tag: string): ReadableSet {
      const start = chance(0.03) ? at + (upTo(4000) - 2000) * day : at;
      const name = chance(0.01) ? 'manual' : ['hourly', 'daily', 'daily', 'monthly'][upTo(4)]!;
      const owner = name === 'daily' && chance(0.4) ? 'agents' : 'platform';
      const one = set(iso(start), name, {
        fires: chance(0.15) || name === 'manual' ? [] : [{ policy: owner, tier: name, at: iso(at) }],
        phase: chance(0.2) ? 'PartiallyFailed' : 'Completed',
        cluster: { uid: `cluster-${upTo(3)}`, version: 'v1.37.2', server: 'https://cluster' },
      });
      return { ...one, id: `${one.id}-${tag}` };
    }
  });
});

/** Of each cluster, those of the future left out. */
function newestComplete({ sets, now }: Life): (string | undefined)[] {
  return ['cluster-0', 'cluster-1', 'cluster-2'].map(
    uid =>
      sets
        .filter(one => one.phase === 'Completed' && one.cluster.uid === uid && Date.parse(one.startedAt) <= now + 600_000)
        .toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt))
        .at(-1)?.startedAt,
  );
}
