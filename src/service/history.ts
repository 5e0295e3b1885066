import type { OperationRequest } from '../domain/operation.ts';
import type { Fire } from '../domain/policy.ts';
import type { SetSummary } from '../repository/catalog.ts';
import type { FailedFire, History, RunningTier } from '../schedule/history.ts';
import type { World } from './world.ts';

/** Failed runs older than this say nothing about what is due now. */
const failuresLookedAt = 200;

/** What the repository and the records of operations tell the scheduler, as often as it asks. STORE_ codes. */
export function scheduleHistory(world: World): (signal: AbortSignal) => Promise<History> {
  let known: { readonly sets: readonly SetSummary[]; readonly done: Pick<History, 'handled' | 'complete'> } | undefined;
  return async signal => {
    const failed = await world.operations.list({ kind: 'backup', phase: 'Failed', limit: failuresLookedAt }, signal);
    const calledOff = await world.operations.list({ kind: 'backup', phase: 'Cancelled', limit: failuresLookedAt }, signal);
    const sets = world.catalog.sets();
    // Ten thousand sets are mostly the same as before.
    if (known?.sets !== sets) known = { sets, done: firesDone(sets) };
    return {
      ...known.done,
      createdAt: world.repository.info.createdAt,
      failed: failedFires(
        failed.flatMap(({ request, result }) => (result === undefined ? [] : [{ request, finishedAt: result.finishedAt }])),
      ),
      running: world.operations.active().flatMap(({ request, result }) => (result === undefined ? runningTiers(request) : [])),
      // What somebody called off. Of what ran out of time the scheduler remembers its own, and the ledger who was told.
      givenUp: calledOff.flatMap(({ request }) => firesOf(request).fires),
    };
  };
}

function firesDone(sets: readonly SetSummary[]): Pick<History, 'handled' | 'complete'> {
  const [handled, complete]: [Fire[], Set<string>] = [[], new Set()];
  for (const set of sets) {
    if (set.phase === 'Unreadable') continue;
    handled.push(...set.fires);
    if (set.phase === 'Completed') for (const { policy } of set.fires) complete.add(policy);
  }
  return { handled, complete };
}

/** The fires that a run was for, and how often they had been tried; none for a run on demand. */
function firesOf({ parameters }: OperationRequest): { fires: readonly Fire[]; attempt: number } {
  const fires = Array.isArray(parameters['fires']) ? (parameters['fires'] as readonly Fire[]) : [];
  return { fires, attempt: typeof parameters['attempt'] === 'number' ? parameters['attempt'] : 1 };
}

function failedFires(ended: readonly { readonly request: OperationRequest; readonly finishedAt: string }[]): FailedFire[] {
  const worst = new Map<string, FailedFire>();
  for (const { request, finishedAt } of ended) {
    const { fires, attempt } = firesOf(request);
    for (const fire of fires) {
      const key = `${fire.policy}/${fire.tier}/${fire.at}`;
      if ((worst.get(key)?.attempts ?? 0) < attempt) worst.set(key, { ...fire, attempts: attempt, lastAttemptAt: finishedAt });
    }
  }
  return [...worst.values()];
}

function runningTiers(request: OperationRequest): RunningTier[] {
  // One of some namespaces stands in the way of none of the whole cluster.
  if (request.kind !== 'backup' || request.namespaces !== undefined) return [];
  const { fires } = firesOf(request);
  const { policy, tier } = request.parameters;
  if (fires.length > 0) return [...fires];
  return typeof policy === 'string' && typeof tier === 'string' ? [{ policy, tier }] : [];
}
