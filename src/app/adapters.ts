import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { type Config, required } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { programVersion } from '../config/version.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ObjectStore } from '../storage/object-store.ts';

/** Clock, randomness and waiting of this process. */
export const systemRuntime: Runtime = {
  now: () => new Date(),
  random: bytes => randomBytes(bytes),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(thrown => {
      signal?.throwIfAborted();
      throw thrown;
    });
  },
};

/** Made when first asked for, and then kept. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** The configured location behind retries. CONFIG_INVALID. */
export async function openStore({ settings }: Config, runtime: Runtime): Promise<ObjectStore> {
  const [{ parseLocation }, retry, { defaultRetryPolicy, retrying }] = await Promise.all([
    import('../storage/location.ts'),
    import('../storage/retry.ts'),
    import('../storage/attempt.ts'),
  ]);
  const location = parseLocation(withS3Settings(required(settings.location, 'location', '--location'), settings.s3 ?? {}));
  const withRetry = (store: ObjectStore) => retry.withRetry(store, defaultRetryPolicy, runtime);
  if (location.kind === 'file') {
    const { createFileStore } = await import('../storage/file-store.ts');
    return withRetry(createFileStore(location.path));
  }
  const { createS3Store } = await import('../storage/s3-store.ts');
  return withRetry(createS3Store({ ...location, attemptPart: retrying(defaultRetryPolicy, runtime) }));
}

/** Settings fill in what the location’s own parameters leave open. */
function withS3Settings(location: string, s3: NonNullable<Settings['s3']>): string {
  const url = URL.parse(location);
  if (url?.protocol !== 's3:') return location;
  for (const [name, value] of Object.entries(s3)) {
    if (value !== undefined && !url.searchParams.has(name)) url.searchParams.set(name, String(value));
  }
  return url.href;
}

/** The configured cluster. KUBECONFIG_INVALID. */
export async function openCluster({ settings, environment }: Config, runtime: Runtime): Promise<ClusterApi> {
  const [{ loadCluster }, { createClusterApi }] = await Promise.all([import('../cluster/kubeconfig.ts'), import('../cluster/client.ts')]);
  const { kubeconfig, context } = settings;
  const connection = await loadCluster(
    {
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
      environment: { ...environment.variables, HOME: environment.home },
    },
    runtime,
  );
  return createClusterApi(connection, {
    runtime,
    userAgent: `holdfast/${programVersion()}`,
    ...(settings.concurrency === undefined ? {} : { connections: settings.concurrency }),
  });
}
