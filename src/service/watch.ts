import type { Readiness } from '../api/service.ts';
import { asHoldfastError } from '../domain/errors.ts';
import { type Fire, isScheduled, type Policy } from '../domain/policy.ts';
import { nextFire, parseSchedule } from '../schedule/cron.ts';
import { type MeasuredRestore, type ObjectiveStatus, objectiveStatuses } from '../schedule/objectives.ts';
import { firesCalledOff, historyBegins } from './history.ts';
import { isOfHome } from './home.ts';
import { measuredRestores } from './measured-restores.ts';
import type { World } from './world.ts';

/** A catalog that could not be read for this many refreshes is not to be relied on. */
const missedRefreshes = 3;
/** A look at all sets comes again after so many times as it took, and no later than after ten looks at what is recent: very many sets cost a look a second. */
const restAfterLook = 200;
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
  { signal, onLook }: { readonly signal: AbortSignal; readonly onLook: (look: Look) => void },
): Watch {
  let lookedAt: number | undefined;
  let reachable = false;
  let away: Pick<Readiness, 'code' | 'since'> = {};
  let restores: readonly MeasuredRestore[] = [];
  let calledOff: readonly Fire[] = [];
  let last = '';
  let wholeLookAt = Number.NEGATIVE_INFINITY;

  const statuses = (): ObjectiveStatus[] => {
    const { policies } = world.rules();
    const now = world.runtime.now();
    const since = historyBegins(world);
    const nextRun = (policy: string, tier: string) => nextRunOf(policies, policy, tier, now);
    return objectiveStatuses({
      policies,
      sets: world.catalog.sets(),
      restores,
      calledOff,
      now,
      nextRun,
      since,
      isOwn: cluster => isOfHome(world, cluster),
    });
  };

  /** Sets that are new, at each look; all of them, less often where they are very many. */
  const lookAtSets = async (): Promise<void> => {
    const begun = world.runtime.now();
    const mostMs = world.rules().catalogRefreshMs * mostRefreshes;
    // A clock that was put back must not keep the look waiting until it has caught up.
    if (begun.getTime() < wholeLookAt && wholeLookAt <= begun.getTime() + mostMs) {
      await world.catalog.refresh({ signal, recent: begun });
      return;
    }
    await world.catalog.refresh({ signal });
    const ended = world.runtime.now().getTime();
    wholeLookAt = ended + Math.min(mostMs, (ended - begun.getTime()) * restAfterLook);
  };

  const look = async (): Promise<void> => {
    let trouble: unknown;
    const begun = world.runtime.now().toISOString();
    try {
      await lookAtSets();
      restores = await measuredRestores(world, signal);
      calledOff = await firesCalledOff(world, signal);
      lookedAt = world.runtime.now().getTime();
      reachable = true;
      away = {};
    } catch (thrown) {
      if (signal.aborted) return;
      reachable = false;
      trouble = thrown;
      away = { code: asHoldfastError(thrown).code, since: away.since ?? begun };
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
      await look();
      await world.runtime.sleep(world.rules().catalogRefreshMs, signal).catch(() => {});
    }
  };

  return {
    ended: loop(),
    objectives: statuses,
    storeReachable: () => reachable,
    readiness: () => {
      const oldest = world.runtime.now().getTime() - missedRefreshes * world.rules().catalogRefreshMs;
      const ok = lookedAt !== undefined && lookedAt >= oldest;
      return [{ name: 'repository', ok, ...(!ok && away) }];
    },
  };
}

function nextRunOf(policies: readonly Policy[], policy: string, name: string, now: Date): Date | undefined {
  const tier = policies.find(one => one.name === policy)?.tiers.find(one => one.name === name);
  if (tier === undefined || !isScheduled(tier) || tier.suspend) return undefined;
  return nextFire(parseSchedule(tier.schedule), tier.timeZone, now);
}
