import { programVersion } from '../config/version.ts';
import { asHoldfastError, HoldfastError, isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import { openRepository } from '../repository/repository.ts';
import { bounded, pause } from '../schedule/bounded.ts';
import { type ClusterWatch, watchCluster } from '../service/cluster-watch.ts';
import { createWaitingService } from '../service/waiting-service.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { openCluster, openRetriedStore } from './adapters.ts';
import type { InForce } from './in-force.ts';
import type { Life } from './life.ts';
import type { Observation } from './observation.ts';

const retryMs = 5_000;
/** A location that takes longer to say what it holds is away. */
export const answerMs = 15_000;

/** A life without a repository: listens, knows who calls, says what is waited for, and writes nothing. */
export interface WaitingLife extends Life {
  readonly waits: true;
  /** The next one keeps what was refused meanwhile. */
  handOver(next: Life): void;
}

export interface WaitingParts {
  readonly runtime: Runtime;
  readonly observation: Observation;
  /** Why there is no repository yet, as far as is known. */
  readonly trouble: HoldfastError;
  /** Since when there is none. */
  readonly since: Date;
  /** The location answers, and holds a repository. May reject with what passes by itself: it is then tried again. */
  readonly onAnswer: () => Promise<void>;
  /** What no waiting will mend. */
  readonly onFailed: (thrown: unknown) => void;
}

export function isWaiting(life: Life): life is WaitingLife {
  return 'waits' in life;
}

/** Asks nothing before it begins. KUBECONFIG_INVALID, CONFIG_INVALID. */
export async function openWaitingLife(first: InForce, parts: WaitingParts): Promise<WaitingLife> {
  const { runtime, observation, onAnswer, onFailed } = parts;
  const { bare: store } = await openRetriedStore(first.config, runtime);
  const cluster = await openCluster(first.config, runtime).catch(async (thrown: unknown) => {
    await store.close();
    throw thrown;
  });
  const { log } = observation;
  const since = parts.since.toISOString();
  const closing = new AbortController();
  let trouble = asAway(parts.trouble, store);
  let retryAt: string | undefined;
  let clusterWatch: ClusterWatch | undefined;

  const closed = (): HoldfastError => {
    const next = retryAt === undefined ? 'it is being tried' : `it is tried again at ${retryAt}`;
    return new HoldfastError(
      'SERVICE_WAITING',
      `the repository at ${store.url} could not be opened since ${since} (${trouble.code}): ${trouble.message}; ${next}`,
    );
  };
  const service = createWaitingService({
    ...{ version: programVersion(), log, closed },
    readiness: () => [
      { name: 'repository', ok: false, code: trouble.code, since, ...(retryAt !== undefined && { retryAt }) },
      ...(clusterWatch?.readiness() ?? [{ name: 'cluster', ok: false }]),
    ],
  });

  const wait = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        await bounded(runtime, answerMs, closing.signal, within => openRepository(store, { signal: within }));
        return await onAnswer();
      } catch (thrown) {
        if (closing.signal.aborted) return;
        trouble = asAway(asHoldfastError(thrown), store);
      }
      if (!trouble.retryable) return onFailed(trouble);
      retryAt = new Date(runtime.now().getTime() + retryMs).toISOString();
      log.error({ err: trouble, location: store.url, since, retryAt }, 'the repository cannot be opened yet');
      await pause(runtime, retryMs, closing.signal);
      retryAt = undefined;
    }
  };

  return {
    ...{ waits: true, service, cluster, location: store.url },
    begin: () => {
      const watch = watchCluster({ cluster, runtime, log }, closing.signal);
      clusterWatch = watch;
      observation.onWaiting(watch.reachable);
      void wait();
    },
    // Whatever of it counts for the waiting is taken up by another one.
    prepare: async () => () => {},
    end: async () => {
      closing.abort();
      await clusterWatch?.ended;
    },
    close: async () => {
      closing.abort();
      await Promise.allSettled([store.close(), cluster.close()]);
    },
    handOver: ({ service: next }) => service.handOver(next),
  };
}

/** Who does not answer in time is away. */
function asAway(error: HoldfastError, { url }: ObjectStore): HoldfastError {
  return isCode(error, 'TIMEOUT') ? new HoldfastError('STORE_UNREACHABLE', `${url}: ${error.message}`, { cause: error }) : error;
}
