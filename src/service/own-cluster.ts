import { type Home, readHome } from './home.ts';
import { persistently } from './persistently.ts';
import type { World } from './world.ts';

/** Which cluster a service is of, as far as it is known. */
export interface OwnCluster {
  /** Undefined until its API server has answered for the first time. */
  known(): Home | undefined;
  /** Asks until it is known, or the signal aborts. */
  lookFor(signal: AbortSignal): Promise<void>;
  /** Asks anew: at the same address there may be another one by now. CLUSTER_ codes; what was known stays. */
  ask(signal: AbortSignal): Promise<Home>;
}

export function openOwnCluster(world: Pick<World, 'cluster' | 'log' | 'runtime'>): OwnCluster {
  let home: Home | undefined;
  return {
    known: () => home,
    lookFor: signal =>
      persistently(world, signal, 'it is not known yet which cluster this is', async () => {
        if (home !== undefined) return;
        const found = await readHome(world.cluster, signal);
        home ??= found;
      }),
    ask: async signal => {
      const found = await readHome(world.cluster, signal);
      home = found;
      return found;
    },
  };
}
