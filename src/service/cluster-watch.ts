import type { Readiness } from '../api/service.ts';
import { asHoldfastError, isCode } from '../domain/errors.ts';
import { bounded, pause } from '../schedule/bounded.ts';
import type { World } from './world.ts';

const everyMs = 10_000;
/** An answer that takes longer is none. */
const answerMs = 5_000;

export interface ClusterWatch {
  readiness(): readonly Readiness[];
  /** Did the API server answer when it was asked last? */
  reachable(): boolean;
  /** Resolves when the signal aborts. */
  readonly ended: Promise<void>;
}

/** Asks the API server every so often whether it is there. Every replica does: one that does not lead asks for nothing else that would tell. */
export function watchCluster({ cluster, runtime, log }: Pick<World, 'cluster' | 'runtime' | 'log'>, signal: AbortSignal): ClusterWatch {
  let reachable: boolean | undefined;
  let away: Pick<Readiness, 'code' | 'since'> = {};

  const look = async (): Promise<void> => {
    const begun = runtime.now().toISOString();
    try {
      await bounded(runtime, answerMs, signal, within => cluster.version({ signal: within }));
      if (reachable === false) log.info({ server: cluster.server }, 'the API server answers again');
      reachable = true;
      away = {};
    } catch (thrown) {
      if (signal.aborted) return;
      // Not to be told its version is no sign of trouble.
      const refused = isCode(thrown, 'CLUSTER_FORBIDDEN');
      if (!refused && reachable !== false) log.error({ err: asHoldfastError(thrown) }, 'the API server does not answer');
      reachable = refused;
      away = refused ? {} : { code: asHoldfastError(thrown).code, since: away.since ?? begun };
    }
  };

  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      await look();
      await pause(runtime, everyMs, signal);
    }
  };

  return {
    ended: loop(),
    reachable: () => reachable === true,
    readiness: () => [{ name: 'cluster', ok: reachable === true, ...away }],
  };
}
