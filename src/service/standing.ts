import { isEnded, type OperationKind } from '../domain/operation.ts';
import { type Policy, tierLabel } from '../domain/policy.ts';
import type { Kept, Standing } from '../observe/metrics.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import type { World } from './world.ts';

const seconds = (ms: number): number => ms / 1000;
const unix = (time: string): number => seconds(Date.parse(time));

/** By those who look. */
interface Seen extends Pick<Standing, 'storeReachable' | 'clusterReachable'> {
  readonly objectives: readonly ObjectiveStatus[];
}

/** How things stand, for the metrics. */
export function standingOf(
  world: Pick<World, 'catalog' | 'operations' | 'ledger' | 'term' | 'rules'>,
  { objectives, storeReachable, clusterReachable }: Seen,
): Standing {
  return {
    leading: world.term() !== undefined,
    storeReachable,
    clusterReachable,
    ledgerEntries: world.ledger.head().seq,
    policies: objectives
      .filter(({ tier }) => tier === undefined)
      .map(status => ({ policy: status.policy, notProtected: status.notProtected, ...keptOf(status) })),
    tiers: objectives.flatMap(status => {
      const { policy, tier, lastComplete, nextRun, overdueSince } = status;
      if (tier === undefined) return [];
      return {
        ...{ policy, tier, overdue: overdueSince !== undefined, ...keptOf(status) },
        ...newestOf(world, lastComplete),
        ...(nextRun !== undefined && { nextRun: unix(nextRun) }),
      };
    }),
    sets: countSets(world, world.rules().policies),
    running: countRunning(world),
  };
}

function keptOf({ objectives: { rpoMs, rtoMs }, rpoNowMs, rtoLastMs }: ObjectiveStatus): Kept {
  return {
    ...(rpoNowMs !== undefined && { rpo: seconds(rpoNowMs) }),
    ...(rpoMs !== undefined && { rpoObjective: seconds(rpoMs) }),
    ...(rtoLastMs !== undefined && { rto: seconds(rtoLastMs) }),
    ...(rtoMs !== undefined && { rtoObjective: seconds(rtoMs) }),
  };
}

function newestOf({ catalog }: Pick<World, 'catalog'>, last: ObjectiveStatus['lastComplete']): Pick<Standing['tiers'][number], 'newest'> {
  const set = last === undefined ? undefined : catalog.get(last.set);
  if (set === undefined || set.phase === 'Unreadable') return {};
  return { newest: { at: unix(set.startedAt), objects: set.objects, bytes: set.bytes } };
}

function countSets({ catalog }: Pick<World, 'catalog'>, policies: readonly Policy[]): Standing['sets'] {
  const counts = new Map<string, { tier: string; phase: string; count: number; bytes: number }>();
  for (const set of catalog.sets()) {
    const tier = set.phase === 'Unreadable' ? 'unknown' : tierLabel(policies, set.tier);
    const key = `${tier} ${set.phase}`;
    const entry = counts.get(key) ?? { tier, phase: set.phase, count: 0, bytes: 0 };
    entry.count += 1;
    entry.bytes += set.phase === 'Unreadable' ? 0 : set.storedBytes;
    counts.set(key, entry);
  }
  return [...counts.values()];
}

function countRunning({ operations }: Pick<World, 'operations'>): Standing['running'] {
  const running: Partial<Record<OperationKind, number>> = {};
  for (const { request, phase } of operations.active()) {
    if (!isEnded(phase)) running[request.kind] = (running[request.kind] ?? 0) + 1;
  }
  return running;
}
