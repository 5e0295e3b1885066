import type { ClaimPlace, ClaimRequest } from '../domain/claim-request.ts';
import type { Operation } from '../domain/operation.ts';
import type { ScaledWorkloads } from '../volumes/scaled-workloads.ts';
import { persistently } from './persistently.ts';
import type { World } from './world.ts';

/**
 * Scales up what a restore in place that was killed, or lost the lead, has left scaled down. One that was taken up again scales up by itself, and is
 * waited for: until then its claim may be half written.
 */
export async function scaleUpLeft(
  world: Pick<World, 'log' | 'runtime' | 'operations'>,
  { volumes }: { readonly volumes?: { readonly scaled: Pick<ScaledWorkloads, 'scaleUpLeft'> } },
  signal: AbortSignal,
): Promise<void> {
  if (volumes === undefined) return;
  const { log, operations } = world;
  const own = operations.active().flatMap(operation => {
    const place = scalesFor(operation);
    // However it ends: what it has not done is done here.
    return place === undefined ? [] : [{ place, over: operations.ended(operation.request.id).catch(() => {}) }];
  });
  const trouble = 'whether workloads were left scaled down could not be found out';
  const scaleUp = (spared: readonly ClaimPlace[]) =>
    persistently(world, signal, trouble, async () => {
      const { scaledUp, problems } = await volumes.scaled.scaleUpLeft(signal, spared);
      for (const message of scaledUp) log.warn({ message }, 'workloads that were left scaled down were scaled up');
      for (const { item, message } of problems) log.error({ item, message }, 'workloads may still be scaled down');
    });
  await scaleUp(own.map(({ place }) => place));
  if (own.length === 0) return;
  await Promise.all(own.map(({ over }) => over));
  if (!signal.aborted) await scaleUp([]);
}

/** The claim that an operation scales workloads down for, or may have. */
function scalesFor({ request: { kind, parameters } }: Operation): ClaimPlace | undefined {
  const { volume } = parameters as { readonly volume?: ClaimRequest };
  if (kind !== 'restore' || volume === undefined || !volume.scaleDown) return undefined;
  return volume.to ?? volume.from;
}
