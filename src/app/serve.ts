import { hostname } from 'node:os';
import type { SettingChange } from '../config/changes.ts';
import type { Config } from '../config/load.ts';
import { serviceConfig } from '../config/service.ts';
import { watchConfig } from '../config/watch.ts';
import { asHoldfastError, type HoldfastError, isCode } from '../domain/errors.ts';
import { aborted, type Runtime } from '../domain/runtime.ts';
import { openRepository, type Repository } from '../repository/repository.ts';
import { bounded } from '../schedule/bounded.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { systemRuntime } from './adapters.ts';
import { openFront } from './front.ts';
import { type InForce, readInForce } from './in-force.ts';
import { type Life, type LifeParts, openLife } from './life.ts';
import { openObservation } from './observation.ts';

const storeDelayMs = 5_000;
/** What is opened anew has to answer by then. */
const reopenMs = 60_000;
/** No request takes longer. */
const requestsEndedMs = 330_000;

export interface ServeOptions {
  readonly config: Config;
  /** Reads the configuration anew. */
  readonly reload: () => Promise<Config>;
  /** Told of every configuration that was taken up. */
  readonly onTaken?: (config: Config) => void;
  /** Ends the service in order. */
  readonly signal: AbortSignal;
  /** Told of every wish to read the configuration anew. */
  readonly onHangup?: (listener: () => void) => void;
  readonly runtime?: Runtime;
}

/** Runs the service until the signal aborts. CONFIG_INVALID, REPO_NOT_FOUND, RECIPIENT_MISSING and their like before anything is served. */
export async function serve(options: ServeOptions): Promise<void> {
  const { config: first, reload, onTaken, signal, onHangup, runtime = systemRuntime } = options;
  const observation = openObservation(await serviceConfig(first), runtime);
  const { log } = observation;
  const onWarning = (text: string) => log.warn({}, text);
  for (const warning of first.warnings) onWarning(warning);

  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const stop = new AbortController();
  const identity = first.environment.variables['POD_NAME'] ?? hostname();
  const parts: Omit<LifeParts, 'openRepository'> = { runtime, observation, onWarning, identity, onFailed: failed.reject };
  const onTrouble = (thrown: HoldfastError) => log.error({ err: thrown }, 'the repository cannot be opened yet');
  let inForce = await readInForce(first, onWarning);
  let life = await openLife(inForce, { ...parts, openRepository: store => openWaiting(store, runtime, signal, onTrouble) });
  const front = await openFront(inForce.service, life, { runtime, observation, onWarning });
  life.begin();
  log.info({ ...front.addresses, location: life.location, server: life.cluster.server }, 'serving');

  const takeUp = async (changed: Config, changes: readonly SettingChange[]): Promise<void> => {
    const next = await readInForce(changed, onWarning);
    const before = front.addresses;
    if (isReopened(inForce, next, changes)) life = await reopen(next);
    else {
      const [use, answer] = [await life.prepare(next), await front.prepare(next.service, life)];
      use();
      answer();
    }
    inForce = next;
    observation.onConfig(next.service);
    onTaken?.(changed);
    for (const { setting, taken } of changes) log.info({ setting, taken }, 'a setting was changed');
    if (JSON.stringify(before) !== JSON.stringify(front.addresses)) log.info(front.addresses, 'serving at other addresses');
  };

  /** All that can fail is done before the life that is led ends. */
  const reopen = async (next: InForce): Promise<Life> => {
    const before = life;
    const within = <T>(call: (signal: AbortSignal) => Promise<T>) => bounded(runtime, reopenMs, stop.signal, call);
    const opened = await openLife(next, { ...parts, openRepository: store => within(limit => openRepository(store, { signal: limit })) });
    const answer = await orClosed(opened, async () => {
      await within(limit => requireCluster(opened, limit));
      await opened.prepare(next);
      return front.prepare(next.service, opened);
    });
    log.info({ location: opened.location, server: opened.cluster.server }, 'opened anew, and the one of before ends');
    await before.end('opened anew');
    opened.begin();
    answer();
    void runtime.sleep(requestsEndedMs, stop.signal).then(before.close, before.close);
    return opened;
  };

  const reloading = watchConfig({
    ...{ current: first, load: reload, runtime, signal: stop.signal },
    onChange: takeUp,
    onInvalid: observation.onInvalidConfig,
  });
  onHangup?.(() => reloading.poke());

  try {
    await Promise.race([aborted(signal), failed.promise]);
  } finally {
    log.info({ reason: asHoldfastError(signal.reason).message }, 'stopping');
    stop.abort();
    await reloading.ended;
    await life.end('stopped');
    await front.close();
    await life.close();
    log.info({}, 'stopped');
  }
}

function isReopened(before: InForce, next: InForce, changes: readonly SettingChange[]): boolean {
  // A file may have another key under the same name.
  const keysOf = ({ keys }: InForce) => JSON.stringify([keys.signingKey, keys.trusted]);
  return changes.some(({ taken }) => taken === 'reopened') || keysOf(before) !== keysOf(next);
}

async function orClosed<T>(opened: Life, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    await opened.close();
    throw thrown;
  }
}

/** A location that does not answer is waited for; one that holds no repository is an error. */
async function openWaiting(
  store: ObjectStore,
  runtime: Runtime,
  signal: AbortSignal,
  onTrouble: (thrown: HoldfastError) => void,
): Promise<Repository> {
  for (;;) {
    try {
      return await openRepository(store, { signal });
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asHoldfastError(thrown);
      if (!error.retryable) throw error;
      onTrouble(error);
      await runtime.sleep(storeDelayMs, signal);
    }
  }
}

/** What is opened in place of something that works has to answer. Not to be told a version is an answer. */
async function requireCluster({ cluster }: Life, signal: AbortSignal): Promise<void> {
  await cluster.version({ signal }).catch((thrown: unknown) => {
    if (!isCode(thrown, 'CLUSTER_FORBIDDEN')) throw thrown;
  });
}
