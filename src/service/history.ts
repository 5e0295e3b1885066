import type { OperationRequest } from '../domain/operation.ts';
import type { Fire } from '../domain/policy.ts';
import type { SetSummary } from '../repository/catalog.ts';
import type { FailedFire, History, RunningTier } from '../schedule/history.ts';
import type { World } from './world.ts';

/** Failed runs older than this say nothing about what is due now. */
const failuresLookedAt = 200;

/** What the repository and the records of operations tell the scheduler. STORE_ codes. */
export async function scheduleHistory(world: World, signal: AbortSignal): Promise<History> {
  const sets = world.catalog.sets().filter((set): set is Exclude<SetSummary, { phase: 'Unreadable' }> => set.phase !== 'Unreadable');
  const failed = await world.operations.list({ kind: 'backup', phase: 'Failed', limit: failuresLookedAt }, signal);
  return {
    createdAt: world.repository.info.createdAt,
    handled: sets.flatMap(set => set.fires),
    failed: failedFires(
      failed.flatMap(({ request, result }) => (result === undefined ? [] : [{ request, finishedAt: result.finishedAt }])),
    ),
    running: world.operations.active().flatMap(({ request, result }) => (result === undefined ? runningTiers(request) : [])),
    // The scheduler remembers its own, and people are told once: the ledger knows.
    givenUp: [],
    complete: new Set(sets.filter(set => set.phase === 'Completed').flatMap(set => set.fires.map(fire => fire.policy))),
  };
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
  if (request.kind !== 'backup') return [];
  const { fires } = firesOf(request);
  const { policy, tier } = request.parameters;
  if (fires.length > 0) return [...fires];
  return typeof policy === 'string' && typeof tier === 'string' ? [{ policy, tier }] : [];
}
