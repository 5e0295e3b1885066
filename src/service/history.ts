import { clockSlackMs } from '../domain/clock-slack.ts';
import type { Operation, OperationPhase, OperationRequest } from '../domain/operation.ts';
import type { Fire } from '../domain/policy.ts';
import type { SetSummary } from '../repository/catalog.ts';
import type { History, RunningTier } from '../schedule/history.ts';
import { failedFires, firesOf } from './failed-fires.ts';
import { isOfHome } from './home.ts';
import type { World } from './world.ts';

/** Failed runs older than this say nothing about what is due now. */
const failuresLookedAt = 200;

/**
 * What the repository and the records of operations tell the scheduler of its own cluster, as often as it asks: another one with the same policies
 * has runs of its own. STORE_ codes.
 */
export function scheduleHistory(world: World): (signal: AbortSignal) => Promise<History> {
  let known: { readonly sets: readonly SetSummary[]; readonly done: Pick<History, 'handled' | 'complete'> } | undefined;
  return async signal => {
    const matches = ({ request }: Operation): boolean => isOfHome(world, request.cluster);
    const ended = (phase: OperationPhase) => world.operations.list({ kind: 'backup', phase, limit: failuresLookedAt, matches }, signal);
    const [failed, interrupted, calledOff] = [await ended('Failed'), await ended('Interrupted'), await firesCalledOff(world, signal)];
    const sets = world.catalog.sets();
    // Ten thousand sets are mostly the same as before.
    if (known?.sets !== sets) known = { sets, done: firesDone(world, sets) };
    return {
      ...known.done,
      createdAt: historyBegins(world).toISOString(),
      failed: failedFires([...failed, ...interrupted]),
      running: world.operations.active().flatMap(({ request, result }) => (result === undefined ? runningTiers(request) : [])),
      // What somebody called off. Of what ran out of time the scheduler remembers its own, and the ledger who was told.
      givenUp: calledOff,
    };
  };
}

/** The fires of runs that somebody called off. STORE_ codes. */
export async function firesCalledOff(world: Pick<World, 'operations' | 'home'>, signal: AbortSignal): Promise<readonly Fire[]> {
  const matches = ({ request }: Operation): boolean => isOfHome(world, request.cluster);
  const ended = await world.operations.list({ kind: 'backup', phase: 'Cancelled', limit: failuresLookedAt, matches }, signal);
  return ended.flatMap(({ request }) => firesOf(request).fires);
}

/** Nobody’s runs lie before the repository, nor before the cluster: one that takes the place of another has no part in what was due there. */
export function historyBegins({ repository, home, runtime }: Pick<World, 'repository' | 'home' | 'runtime'>): Date {
  const madeAt = new Date(repository.info.createdAt);
  const isBelievable = home !== undefined && home.since.getTime() <= runtime.now().getTime() + clockSlackMs;
  return isBelievable && home.since > madeAt ? home.since : madeAt;
}

function firesDone(world: World, sets: readonly SetSummary[]): Pick<History, 'handled' | 'complete'> {
  const [handled, complete]: [Fire[], Set<string>] = [[], new Set()];
  for (const set of sets) {
    if (set.phase === 'Unreadable' || !isOfHome(world, set.cluster)) continue;
    handled.push(...set.fires);
    if (set.phase === 'Completed') for (const { policy } of set.fires) complete.add(policy);
  }
  return { handled, complete };
}

function runningTiers(request: OperationRequest): RunningTier[] {
  // One of some namespaces stands in the way of none of the whole cluster.
  if (request.kind !== 'backup' || request.namespaces !== undefined) return [];
  const { fires } = firesOf(request);
  const { policy, tier } = request.parameters;
  if (fires.length > 0) return [...fires];
  return typeof policy === 'string' && typeof tier === 'string' ? [{ policy, tier }] : [];
}
