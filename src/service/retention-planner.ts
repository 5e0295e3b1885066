import type { Operation } from '../domain/operation.ts';
import { listHolds } from '../repository/holds.ts';
import { isAwaited, listUses, useWords } from '../repository/uses.ts';
import { type BusySets, planRetention, type RetentionDecision, type RetentionPlan } from '../schedule/retention.ts';
import { isOfHome } from './home.ts';
import { othersOf } from './others.ts';
import type { World } from './world.ts';

/** A plan of many sets takes a tenth of a second to make, and is asked for with every set that is shown. */
const keptMs = 30_000;
const mostElsewhere = 1_000;

/** A plan, and what it says of single sets. */
export interface MadePlan {
  readonly plan: RetentionPlan;
  readonly decisions: ReadonlyMap<string, RetentionDecision>;
}

export interface Planner {
  /**
   * What retention would do now, or would have done less than half a minute ago where nothing has changed but the time, or what other processes
   * read; nothing is changed.
   * A run makes its own plan, and deletes what was agreed to or nothing. STORE_ codes.
   */
  now(signal: AbortSignal): Promise<MadePlan>;
}

export function openPlanner(world: World): Planner {
  let last: (MadePlan & { readonly of: string; readonly policies: unknown; readonly uses: BusySets; readonly doing: string }) | undefined;
  return {
    now: async signal => {
      const holds = await listHolds(world.repository, { trusted: world.keys.trusted, signal });
      const { policies, maxShare, adopted } = world.rules();
      const [own, now] = [ownUses(world), world.runtime.now()];
      const doing = JSON.stringify([...own]);
      const of = JSON.stringify([world.catalog.version(), holds, doing, maxShare, adopted, world.home?.identity]);
      const isFresh = last !== undefined && Math.abs(now.getTime() - Date.parse(last.plan.at)) < keptMs;
      if (last !== undefined && isFresh && last.of === of && last.policies === policies) return last;
      // What this service has ended is among them until they are read anew.
      const uses = last !== undefined && isFresh && last.doing === doing ? last.uses : await usedByOthers(world, signal);
      const busy = new Map([...uses, ...own]);
      const sets = world.catalog.sets();
      const plan = planRetention({ policies, holds, sets, busy, now, othersReason: othersOf(world), limits: { maxShare, yes: false } });
      last = { plan, of, policies, uses, doing, decisions: new Map(plan.decisions.map(decision => [decision.set, decision])) };
      return last;
    },
  };
}

type Surroundings = Pick<World, 'operations' | 'repository' | 'runtime' | 'home'>;

/** Sets that this service or anybody else reads, or this service deletes, just now. */
export async function busySets(world: Surroundings, signal: AbortSignal): Promise<BusySets> {
  return new Map([...(await usedByOthers(world, signal)), ...ownUses(world)]);
}

/** As `busySets`, for who deletes one. */
export async function readSets(world: Surroundings, signal: AbortSignal): Promise<BusySets> {
  return new Map([...(await usedByOthers(world, signal)), ...ownUses(world, reading)]);
}

/** Sets that people and services say they read, and those that services of other clusters are about to read, by the records of their operations. */
async function usedByOthers(world: Surroundings, signal: AbortSignal): Promise<Map<string, string>> {
  const busy = new Map<string, string>();
  const now = world.runtime.now();
  const matches = ({ request }: Operation): boolean => !isOfHome(world, request.cluster) && isAwaited(request, now);
  const kind = Object.keys(reading) as (keyof typeof reading)[];
  for (const { request } of await world.operations.list({ kind, unended: true, matches, limit: mostElsewhere }, signal)) {
    busy.set(request.subject, `${reading[request.kind as keyof typeof reading]} (operation ${request.id} of another cluster)`);
  }
  const uses = await listUses(world.repository, { now, signal });
  return new Map([...busy, ...uses]);
}

const reading = { ...useWords, validate: 'being compared with the cluster' };
const working = { ...reading, delete: 'being deleted' };

/** Sets that a job works on just now. */
function ownUses({ operations }: Pick<World, 'operations'>, doing: Readonly<Record<string, string>> = working): Map<string, string> {
  const busy = new Map<string, string>();
  for (const { request, result } of operations.active()) {
    const what = doing[request.kind];
    if (result === undefined && what !== undefined) busy.set(request.subject, what);
  }
  return busy;
}
