import type { Readiness } from '../api/service.ts';
import { asHoldfastError } from '../domain/errors.ts';
import { isScheduled, type Policy } from '../domain/policy.ts';
import { everything } from '../domain/selection.ts';
import { nextFire, parseSchedule } from '../schedule/cron.ts';
import { type MeasuredRestore, type ObjectiveStatus, objectiveStatuses } from '../schedule/objectives.ts';
import type { World } from './world.ts';

/** A catalog that could not be read for this many refreshes is not to be relied on. */
const missedRefreshes = 3;
const restoresLookedAt = 20;
/** After a look that took long the next one is so many times as far away, but no more than ten times what is configured: very many sets cost a look a second. */
const restAfterLook = 50;
const mostRefreshes = 10;

/** What one look has found. */
export interface Look {
  /** Undefined while nothing has been seen yet. */
  readonly objectives: readonly ObjectiveStatus[] | undefined;
  /** Why the location could not be read; undefined when it could. */
  readonly trouble: unknown;
}

export interface Watch {
  readiness(): readonly Readiness[];
  objectives(): readonly ObjectiveStatus[];
  /** Is the location answering, as far as the last look could tell? */
  storeReachable(): boolean;
  /** Resolves when the signal aborts. */
  readonly ended: Promise<void>;
}

/** Looks through the repository every so often, and knows from that how things stand. Every replica does. */
export function watchRepository(
  world: World,
  { signal, onLook, clusterId }: { readonly signal: AbortSignal; readonly onLook: (look: Look) => void; readonly clusterId: () => string },
): Watch {
  let lookedAt: number | undefined;
  let reachable = false;
  let restores: readonly MeasuredRestore[] = [];
  let last = '';
  let betweenMs = 0;

  const statuses = (): ObjectiveStatus[] => {
    const { policies } = world.rules();
    const now = world.runtime.now();
    const since = new Date(world.repository.info.createdAt);
    const nextRun = (policy: string, tier: string) => nextRunOf(policies, policy, tier, now);
    return objectiveStatuses({ policies, sets: world.catalog.sets(), restores, now, nextRun, since, clusterId: clusterId() });
  };

  const look = async (): Promise<void> => {
    let trouble: unknown;
    try {
      await world.catalog.refresh({ signal });
      restores = await measuredRestores(world, signal);
      lookedAt = world.runtime.now().getTime();
      reachable = true;
    } catch (thrown) {
      if (signal.aborted) return;
      reachable = false;
      trouble = thrown;
      world.log.error({ err: asHoldfastError(thrown) }, 'the repository cannot be read');
    }
    const current = statuses();
    const digest = JSON.stringify(current.map(({ policy, tier, state }) => [policy, tier, state]));
    if (digest !== last) {
      last = digest;
      world.events.publish({ type: 'objective.changed', at: world.runtime.now().toISOString(), data: { objectives: current } });
    }
    onLook({ objectives: lookedAt === undefined ? undefined : current, trouble });
  };

  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      const begun = world.runtime.now().getTime();
      await look();
      const { catalogRefreshMs } = world.rules();
      const rest = (world.runtime.now().getTime() - begun) * restAfterLook;
      betweenMs = Math.max(catalogRefreshMs, Math.min(rest, catalogRefreshMs * mostRefreshes));
      await world.runtime.sleep(betweenMs, signal).catch(() => {});
    }
  };

  return {
    ended: loop(),
    objectives: statuses,
    storeReachable: () => reachable,
    readiness: () => {
      const oldest = world.runtime.now().getTime() - missedRefreshes * Math.max(betweenMs, world.rules().catalogRefreshMs);
      return [{ name: 'repository', ok: lookedAt !== undefined && lookedAt >= oldest }];
    },
  };
}

function nextRunOf(policies: readonly Policy[], policy: string, name: string, now: Date): Date | undefined {
  const tier = policies.find(one => one.name === policy)?.tiers.find(one => one.name === name);
  if (tier === undefined || !isScheduled(tier) || tier.suspend) return undefined;
  return nextFire(parseSchedule(tier.schedule), tier.timeZone, now);
}

/** What restores took, as their records tell; those of a set on demand are nobody's. */
async function measuredRestores(world: World, signal: AbortSignal): Promise<MeasuredRestore[]> {
  const ended = await world.operations.list({ kind: 'restore', phase: 'Completed', limit: restoresLookedAt }, signal);
  return ended.flatMap(({ request, result }) => {
    const set = world.catalog.get(request.subject);
    const durationMs = result?.summary['durationMs'];
    const options = request.parameters['options'] as { selection?: unknown } | undefined;
    // A part of a platform comes back sooner than all of it.
    if (JSON.stringify(options?.selection) !== JSON.stringify(everything)) return [];
    if (result === undefined || set === undefined || set.phase === 'Unreadable' || typeof durationMs !== 'number') return [];
    return set.fires.map(({ policy, tier }) => ({ policy, tier, at: result.finishedAt, durationMs }));
  });
}
