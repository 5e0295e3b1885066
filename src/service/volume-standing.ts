import { asHoldfastError } from '../domain/errors.ts';
import { countVolumes } from '../domain/volume-counts.ts';
import type { ReadableSet } from '../repository/catalog.ts';
import { requireManifest } from '../repository/read-manifest.ts';
import { tiersOf } from '../schedule/retention-standing.ts';
import { isOfHome } from './home.ts';
import type { World } from './world.ts';

interface Newest {
  readonly policy: string;
  readonly tier: string;
  readonly set: ReadableSet;
}

/** Measures what the newest scheduled set of each tier has of volumes: whoever begins to lead has taken none. What cannot be read is logged. */
export async function measureNewestSets(world: World, signal: AbortSignal): Promise<void> {
  const { volumeMetrics } = world;
  if (volumeMetrics === undefined) return;
  const { trusted } = world.keys;
  for (const { policy, tier, set } of newestScheduled(world)) {
    try {
      const { manifest } = await requireManifest(world.repository, set.id, { trusted, signal });
      volumeMetrics.captured({ policy, tier }, countVolumes(manifest.volumes));
    } catch (thrown) {
      if (signal.aborted) return;
      world.log.warn({ err: asHoldfastError(thrown), set: set.id }, 'what the newest set of a tier has of volumes cannot be read');
    }
  }
}

/** Of our own cluster. What somebody asked for may have the label of a tier and hold a namespace of it. */
export function newestScheduled(world: Pick<World, 'catalog' | 'rules' | 'home'>): Iterable<Newest> {
  const { catalog, rules } = world;
  const newest = new Map<string, Newest>();
  for (const set of catalog.sets()) {
    if (set.phase === 'Unreadable' || !isOfHome(world, set.cluster)) continue;
    for (const { policy, tier, by } of tiersOf(set, rules().policies).memberships) {
      if (by === 'label') continue;
      const key = `${policy.name}/${tier.name}`;
      const known = newest.get(key)?.set;
      if (known === undefined || known.startedAt < set.startedAt) newest.set(key, { policy: policy.name, tier: tier.name, set });
    }
  }
  return newest.values();
}
