import type { Operation, OperationRequest } from '../domain/operation.ts';
import type { Fire } from '../domain/policy.ts';
import type { FailedFire } from '../schedule/history.ts';

/** The fires that a run was for, and how often they had been tried; none for a run on demand. */
export function firesOf({ parameters }: OperationRequest): { fires: readonly Fire[]; attempt: number } {
  const fires = Array.isArray(parameters['fires']) ? (parameters['fires'] as readonly Fire[]) : [];
  return { fires, attempt: typeof parameters['attempt'] === 'number' ? parameters['attempt'] : 1 };
}

/** What is known of one fire that was tried in vain. */
interface Tried {
  readonly fire: Fire;
  /** The highest number that one of its attempts had, and when that ended. */
  attempts: number;
  lastAttemptAt: string;
  /** Attempts whose process ended. */
  lost: Operation[];
}

/**
 * Of each fire how often it was tried, by the records of backups that are Failed or Interrupted. One whose process ended may be what ended it: the
 * first time can be anything, as a node that is gone, and is made up for at once; from the second on it counts as a failure does. One that was
 * handed over by a service that was stopped does not count. The order of the list does not matter.
 */
export function failedFires(ended: readonly Operation[]): FailedFire[] {
  const tried = new Map<string, Tried>();
  for (const operation of ended) {
    const { request, phase, result } = operation;
    const isLost = phase === 'Interrupted' && result?.summary['lost'] === true;
    if (result === undefined || (phase !== 'Failed' && !isLost)) continue;
    const { fires, attempt } = firesOf(request);
    for (const fire of fires) {
      const key = `${fire.policy}/${fire.tier}/${fire.at}`;
      const known = tried.get(key) ?? { fire, attempts: 0, lastAttemptAt: '', lost: [] };
      tried.set(key, known);
      if (isLost) known.lost.push(operation);
      else count(known, attempt, result.finishedAt);
    }
  }
  return [...tried.values()].flatMap(one => {
    const lost = one.lost.toSorted((a, b) => Date.parse(a.request.createdAt) - Date.parse(b.request.createdAt));
    // Numbers of attempts go on from what counted before, so that of those that ended their process only the order is to be relied on.
    for (const [before, { request, result }] of lost.entries()) {
      if (before > 0) count(one, Math.max(before, firesOf(request).attempt), result!.finishedAt);
    }
    return one.attempts === 0 ? [] : [{ ...one.fire, attempts: one.attempts, lastAttemptAt: one.lastAttemptAt }];
  });
}

function count(tried: Tried, attempt: number, at: string): void {
  if (attempt < tried.attempts || (attempt === tried.attempts && Date.parse(at) <= Date.parse(tried.lastAttemptAt))) return;
  tried.attempts = attempt;
  tried.lastAttemptAt = at;
}
