import { expect, it } from 'vitest';
import { fireOf, observedSet } from '../../test/helpers/observed-sets.ts';
import { namespaces, policy, tier } from '../../test/helpers/policies.ts';
import type { ReadableSet } from '../repository/catalog.ts';
import { standingOf } from './standing.ts';
import { newestScheduled } from './volume-standing.ts';
import type { World } from './world.ts';

function worldOf(sets: readonly ReadableSet[]): World {
  return {
    catalog: { sets: () => sets, get: (id: string) => sets.find(set => set.id === id) },
    operations: { active: () => [] },
    ledger: { head: () => ({ seq: 3 }) },
    rules: () => ({ policies: [policy([tier('daily', '0 2 * * *')])] }),
    term: () => undefined,
    home: { identity: { uid: 'c1', server: 'https://127.0.0.1:6443' }, since: new Date(0) },
  } as unknown as World;
}
const scheduled = observedSet('2026-11-23T02:00:00Z');
const asked = (at: string, name: string) => observedSet(at, { tier: name, fires: [], selection: namespaces('agents') });

it('sets are counted by the tiers that policies name; all others are of one', () => {
  const world = worldOf([
    scheduled,
    asked('2026-11-23T03:00:00Z', 'one'),
    asked('2026-11-23T04:00:00Z', 'two'),
    asked('2026-11-23T05:00:00Z', 'manual'),
  ]);
  const { sets } = standingOf(world, { objectives: [], storeReachable: true, clusterReachable: true });
  expect(sets.map(({ tier: name, count, bytes }) => [name, count, bytes])).toEqual([
    ['daily', 1, 1],
    ['other', 2, 2],
    ['manual', 1, 1],
  ]);
});

it('tiers say how they keep their own objectives', () => {
  const objectives = { rpoMs: 7_200_000, rtoMs: 600_000 };
  const status = {
    policy: 'platform',
    tier: 'daily',
    objectives,
    state: 'met',
    message: '',
    rpoNowMs: 60_000,
    rtoLastMs: 5_000,
    notProtected: [],
  } as const;
  const { tiers } = standingOf(worldOf([]), { objectives: [status], storeReachable: true, clusterReachable: true });
  expect(tiers).toEqual([{ policy: 'platform', tier: 'daily', overdue: false, rpo: 60, rpoObjective: 7200, rto: 5, rtoObjective: 600 }]);
});

it('the newest set of a tier is that of a run of this cluster, and none that somebody gave its name', () => {
  const there = observedSet('2026-11-23T06:00:00Z', {
    cluster: { ...scheduled.cluster, uid: 'c2' },
    fires: [fireOf('2026-11-23T06:00:00Z', 'daily')],
  });
  const found = (...sets: ReadableSet[]) => [...newestScheduled(worldOf(sets))].map(({ set }) => set.id);
  expect(found(scheduled, asked('2026-11-23T05:00:00Z', 'daily'), there)).toEqual([scheduled.id]);
  expect(found(asked('2026-11-23T05:00:00Z', 'daily'))).toEqual([]);
});
