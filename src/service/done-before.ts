import { isEnded, type Operation } from '../domain/operation.ts';
import type { UpkeepBefore, UpkeepOutcome } from '../domain/volume-upkeep.ts';
import { isOfHome } from './home.ts';
import type { World } from './world.ts';

/** Operations of retention that are looked at: whoever leads runs one a day or so. */
const mostLookedAt = 30;

/** When retention of this cluster was last begun by the clock and came to an end, whoever led then; undefined where no record says. STORE_ codes. */
export async function lastRetention(world: Pick<World, 'operations' | 'home'>, signal: AbortSignal): Promise<Date | undefined> {
  const some = await ownRetentions(world, signal);
  const last = some.find(({ request, phase }) => request.actor.via === 'schedule' && isEnded(phase) && phase !== 'Interrupted');
  return last?.startedAt === undefined ? undefined : new Date(last.startedAt);
}

/** What the last upkeep of volumes that could be carried out has left; undefined where no record says. STORE_ codes. */
export async function upkeepBefore(world: Pick<World, 'operations' | 'home'>, signal: AbortSignal): Promise<UpkeepBefore | undefined> {
  for (const { result } of await ownRetentions(world, signal)) {
    const upkeep = result?.summary['upkeep'] as UpkeepOutcome | undefined;
    if (result === undefined || upkeep === undefined || upkeep.repositories === 0) continue;
    const unread = upkeep.items.flatMap(({ repository, unread: part }) => (part === undefined ? [] : [[repository, part] as const]));
    return { at: new Date(result.startedAt), unread: new Map(unread) };
  }
  return undefined;
}

function ownRetentions(world: Pick<World, 'operations' | 'home'>, signal: AbortSignal) {
  const matches = ({ request }: Operation): boolean => isOfHome(world, request.cluster);
  return world.operations.list({ kind: 'retention', limit: mostLookedAt, matches }, signal);
}
