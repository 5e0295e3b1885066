import type { Operation } from '../domain/operation.ts';
import type { ActionCounts } from '../domain/restore-plan.ts';
import { everything } from '../domain/selection.ts';
import type { MeasuredRestore } from '../schedule/objectives.ts';
import { isOfHome } from './home.ts';
import type { World } from './world.ts';

const restoresLookedAt = 20;

/** What restores of this cluster’s service took, as their records tell; those of a set on demand are nobody's. STORE_ codes. */
export async function measuredRestores(world: World, signal: AbortSignal): Promise<MeasuredRestore[]> {
  const { operations, catalog } = world;
  const matches = ({ request }: Operation): boolean => isOfHome(world, request.cluster);
  const ended = await operations.list({ kind: 'restore', phase: 'Completed', limit: restoresLookedAt, matches }, signal);
  return ended.flatMap(operation => {
    const set = catalog.get(operation.request.subject);
    const durationMs = operation.result?.summary['durationMs'];
    if (set === undefined || set.phase === 'Unreadable' || typeof durationMs !== 'number' || !isOfPlatform(operation)) return [];
    return set.fires.map(({ policy, tier }) => ({ policy, tier, at: operation.result?.finishedAt ?? '', durationMs }));
  });
}

/**
 * Did it bring a platform back? A part of one comes back sooner than all of it, and what was there already, as in a restore that is run again,
 * takes no time at all.
 */
export function isOfPlatform({ request, result }: Operation): boolean {
  const options = request.parameters['options'] as { selection?: unknown } | undefined;
  const totals = result?.summary['totals'] as ActionCounts | undefined;
  if (totals === undefined || JSON.stringify(options?.selection) !== JSON.stringify(everything)) return false;
  const brought = totals.create + totals.complete + totals.adopt + totals.update + totals.recreate;
  return brought > totals['skip-equal'] + totals['skip-differs'];
}
