import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { Connection } from '../cluster/connection.ts';
import type { PodApi } from '../cluster/pod-api.ts';
import type { Config } from '../config/load.ts';
import { programVersion } from '../config/version.ts';
import { longestTimerMs } from '../domain/duration.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { Repository } from '../repository/repository.ts';
import type { Location } from '../storage/location.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { locationOf } from './locations.ts';

/** Clock, randomness and waiting of this process. */
export const systemRuntime: Runtime = {
  now: () => new Date(),
  random: bytes => randomBytes(bytes),
  sleep: async (ms, signal) => {
    for (let rest = ms; ; rest -= longestTimerMs) {
      await sleep(Math.min(rest, longestTimerMs), undefined, signal === undefined ? {} : { signal }).catch(thrown => {
        signal?.throwIfAborted();
        throw thrown;
      });
      if (rest <= longestTimerMs) return;
    }
  },
};

/** Made when first asked for, and then kept. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** The configured location behind retries. CONFIG_INVALID. */
export async function openStore(config: Config, runtime: Runtime): Promise<ObjectStore> {
  const { store } = await openRetriedStore(config, runtime);
  return store;
}

/** The same, with a way to put something between the location and the retries: it then stands before every single try. `bare` tries once. */
export async function openRetriedStore(
  { settings }: Config,
  runtime: Runtime,
): Promise<{
  readonly store: ObjectStore;
  readonly bare: ObjectStore;
  readonly through: (decorate: (store: ObjectStore) => ObjectStore) => ObjectStore;
}> {
  const [{ parseLocation }, { withRetry }, { defaultRetryPolicy, retrying }] = await Promise.all([
    import('../storage/location.ts'),
    import('../storage/retry.ts'),
    import('../storage/attempt.ts'),
  ]);
  const location = parseLocation(locationOf(settings));
  const open = async (): Promise<ObjectStore> => {
    if (location.kind === 'file') return (await import('../storage/file-store.ts')).createFileStore(location.path);
    const { createS3Store } = await import('../storage/s3-store.ts');
    return createS3Store({ ...location, attemptPart: retrying(defaultRetryPolicy, runtime) });
  };
  const bare = await open();
  const through = (decorate: (store: ObjectStore) => ObjectStore) => withRetry(decorate(bare), defaultRetryPolicy, runtime);
  return { store: through(store => store), bare, through };
}

/**
 * Asks the server of the configured location whether it refuses to overwrite, unless a repository is there already: writes a small object, and
 * deletes it where that is allowed. STORE_OVERWRITES where it does not: two writers at the same moment could both succeed.
 */
export async function requireWriteOnce(
  { settings }: Config,
  configured: ObjectStore,
  { runtime, signal }: { readonly runtime: Runtime; readonly signal: AbortSignal },
): Promise<void> {
  const [{ parseLocation }, { defaultRetryPolicy, retrying }, { infoKey }] = await Promise.all([
    import('../storage/location.ts'),
    import('../storage/attempt.ts'),
    import('../repository/layout.ts'),
  ]);
  const location = parseLocation(locationOf(settings));
  if (location.kind === 'file') return;
  const there = await configured.head(infoKey, { signal }).catch((thrown: unknown) => {
    // Who may write need not be allowed to look.
    if (isCode(thrown, 'STORE_FORBIDDEN')) return undefined;
    throw thrown;
  });
  if (there !== undefined) return;
  const { createS3Store } = await import('../storage/s3-store.ts');
  const store = createS3Store(location);
  try {
    const found = await retrying(defaultRetryPolicy, runtime)(() => store.probeWriteOnce({ signal }), signal);
    if (found === 'enforced') return;
    throw new HoldfastError('STORE_OVERWRITES', `${store.url}: the server overwrites an object although it is told not to (If-None-Match)`);
  } finally {
    await store.close();
  }
}

/** The configured location, as it was read. CONFIG_INVALID. */
export async function configuredLocation({ settings }: Config): Promise<Location> {
  const { parseLocation } = await import('../storage/location.ts');
  return parseLocation(locationOf(settings));
}

/** The repository in the configured location. REPO_NOT_FOUND says so where there is not even its folder, as before a disk is mounted. */
export async function openConfigured(config: Config, store: ObjectStore, signal: AbortSignal | undefined): Promise<Repository> {
  const { openRepository } = await import('../repository/repository.ts');
  try {
    return await openRepository(store, signal === undefined ? {} : { signal });
  } catch (thrown) {
    const location = await configuredLocation(config);
    if (!isCode(thrown, 'REPO_NOT_FOUND') || location.kind !== 'file') throw thrown;
    const found = await stat(location.path).catch(() => undefined);
    if (found?.isDirectory() === true) throw thrown;
    throw new HoldfastError(
      'REPO_NOT_FOUND',
      `${store.url} holds no repository: ${found === undefined ? 'there is no such folder' : 'it is no folder'}`,
      {
        cause: thrown,
        hint: 'mount what the folder lies on, or correct --location; where there never was a repository, holdfast init makes one',
      },
    );
  }
}

/** The configured cluster. KUBECONFIG_INVALID. */
export async function openCluster(config: Config, runtime: Runtime): Promise<ClusterApi> {
  const { createClusterApi } = await import('../cluster/client.ts');
  const { concurrency } = config.settings;
  return createClusterApi(await connectionOf(config, runtime), {
    runtime,
    userAgent: `holdfast/${programVersion()}`,
    ...(concurrency === undefined ? {} : { connections: concurrency }),
  });
}

/** What happens inside of the cluster's pods. KUBECONFIG_INVALID. */
export async function openPods(config: Config, runtime: Runtime): Promise<PodApi & { close(): Promise<void> }> {
  const { createPodApi } = await import('../cluster/pod-client.ts');
  return createPodApi(await connectionOf(config, runtime), { runtime, userAgent: `holdfast/${programVersion()}` });
}

async function connectionOf({ settings, environment }: Config, runtime: Runtime): Promise<Connection> {
  const { loadCluster } = await import('../cluster/kubeconfig.ts');
  const { kubeconfig, context } = settings;
  return loadCluster(
    {
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
      environment: { ...environment.variables, HOME: environment.home },
    },
    runtime,
  );
}
