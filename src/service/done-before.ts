import { isEnded } from '../domain/operation.ts';
import type { UpkeepBefore, UpkeepOutcome } from '../domain/volume-upkeep.ts';
import type { World } from './world.ts';

/** Operations of retention that are looked at: whoever leads runs one a day or so. */
const mostLookedAt = 30;

/** When retention was last begun by the clock and came to an end, whoever led then; undefined where no record says. STORE_ codes. */
export async function lastRetention({ operations }: Pick<World, 'operations'>, signal: AbortSignal): Promise<Date | undefined> {
  const some = await operations.list({ kind: 'retention', limit: mostLookedAt }, signal);
  const last = some.find(({ request, phase }) => request.actor.via === 'schedule' && isEnded(phase) && phase !== 'Interrupted');
  return last?.startedAt === undefined ? undefined : new Date(last.startedAt);
}

/** What the last upkeep of volumes that could be carried out has left; undefined where no record says. STORE_ codes. */
export async function upkeepBefore({ operations }: Pick<World, 'operations'>, signal: AbortSignal): Promise<UpkeepBefore | undefined> {
  for (const { result } of await operations.list({ kind: 'retention', limit: mostLookedAt }, signal)) {
    const upkeep = result?.summary['upkeep'] as UpkeepOutcome | undefined;
    if (result === undefined || upkeep === undefined || upkeep.repositories === 0) continue;
    const unread = upkeep.items.flatMap(({ repository, unread: part }) => (part === undefined ? [] : [[repository, part] as const]));
    return { at: new Date(result.startedAt), unread: new Map(unread) };
  }
  return undefined;
}
