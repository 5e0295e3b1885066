import { persistently } from './persistently.ts';
import type { Term, World } from './world.ts';

/**
 * Thaws the pods that a run which was killed has left frozen. An API server that is away, or refuses, is waited for: an application stands
 * still, and nobody else looks before the next backup.
 */
export async function thawLeft(world: Pick<World, 'log' | 'runtime'>, { volumes }: Term, signal: AbortSignal): Promise<void> {
  if (volumes === undefined) return;
  await persistently(world, signal, 'whether pods were left frozen could not be found out', async () => {
    const { thawed, problems } = await volumes.frozen.thawLeft({ signal });
    for (const message of thawed) world.log.warn({ message }, 'a pod that was left frozen was thawed');
    for (const { item, message } of problems) world.log.error({ item, message }, 'a pod may still be frozen');
  });
}
