import { hostname } from 'node:os';
import type { SettingChange } from '../config/changes.ts';
import type { Config } from '../config/load.ts';
import { serviceConfig } from '../config/service.ts';
import { watchConfig } from '../config/watch.ts';
import { asHoldfastError, isCode } from '../domain/errors.ts';
import { aborted, type Runtime } from '../domain/runtime.ts';
import { bounded } from '../schedule/bounded.ts';
import { openConfigured, systemRuntime } from './adapters.ts';
import { openFront } from './front.ts';
import { type InForce, readInForce } from './in-force.ts';
import { inTurn } from './in-turn.ts';
import { type Life, type LifeParts, openLife } from './life.ts';
import { openObservation } from './observation.ts';
import { answerMs, isWaiting, openWaitingLife, type WaitingLife } from './waiting-life.ts';

/** A location that answers within it is not waited for: nothing need be served that says so. */
const headStartMs = 2_000;
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

/**
 * Runs the service until the signal aborts. A location that does not answer is waited for by a service that listens already, and says so;
 * CONFIG_INVALID, REPO_NOT_FOUND, RECIPIENT_MISSING and their like end it: no waiting mends them.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { config: first, reload, onTaken, signal, onHangup, runtime = systemRuntime } = options;
  const observation = openObservation(await serviceConfig(first), runtime);
  const { log } = observation;
  const onWarning = (text: string) => log.warn({}, text);
  for (const warning of first.warnings) onWarning(warning);

  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const stop = new AbortController();
  void aborted(signal).then(() => stop.abort(signal.reason));
  const identity = first.environment.variables['POD_NAME'] ?? hostname();
  const parts: Omit<LifeParts, 'openRepository'> = { runtime, observation, onWarning, identity, onFailed: failed.reject };
  const within = <T>(ms: number, call: (signal: AbortSignal) => Promise<T>) => bounded(runtime, ms, stop.signal, call);
  const open = (next: InForce, ms: number) =>
    openLife(next, { ...parts, openRepository: store => within(ms, limit => openConfigured(next.config, store, limit)) });
  const turns = inTurn();

  const openOrWait = async (next: InForce, ms: number): Promise<Life> => {
    const since = runtime.now();
    try {
      return await open(next, ms);
    } catch (thrown) {
      stop.signal.throwIfAborted();
      const trouble = asHoldfastError(thrown);
      if (!trouble.retryable) throw trouble;
      const waiting: WaitingLife = await openWaitingLife(next, {
        ...{ runtime, observation, trouble, since, onFailed: failed.reject },
        onAnswer: () => turns.take(() => openUp(waiting)),
      });
      return waiting;
    }
  };

  let inForce = await readInForce(first, onWarning);
  const opened = await openOrWait(inForce, headStartMs).catch((thrown: unknown) => {
    if (!signal.aborted) throw thrown;
  });
  if (opened === undefined) return;
  let life = opened;
  const front = await openFront(inForce.service, life, { runtime, observation, onWarning });
  life.begin();
  const say = () => {
    const fields = { ...front.addresses, location: life.location, server: life.cluster.server };
    if (isWaiting(life)) log.warn(fields, 'waiting for the location');
    else log.info(fields, 'serving');
  };
  say();

  /** In place of the one that waited, unless it has been replaced already. */
  const openUp = async (waiting: WaitingLife): Promise<void> => {
    stop.signal.throwIfAborted();
    if (life !== waiting) return;
    await replace(await open(inForce, answerMs), inForce, async () => {});
  };

  const takeUp = async (changed: Config, changes: readonly SettingChange[]): Promise<void> => {
    const next = await readInForce(changed, onWarning);
    const before = front.addresses;
    if (isReopened(inForce, next, changes)) await reopen(next);
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

  /** Nothing works that could be lost as long as it is waited for; else what is opened has to answer. */
  const reopen = async (next: InForce): Promise<void> => {
    if (isWaiting(life)) return replace(await openOrWait(next, answerMs), next, async one => void (await one.prepare(next)));
    await replace(await open(next, reopenMs), next, async one => {
      await within(reopenMs, limit => requireCluster(one, limit));
      await one.prepare(next);
    });
  };

  /** All that can fail is done before the life that is led ends. */
  const replace = async (next: Life, by: InForce, require: (next: Life) => Promise<void>): Promise<void> => {
    const before = life;
    const answer = await orClosed(next, async () => {
      await require(next);
      return front.prepare(by.service, next);
    });
    if (!isWaiting(before)) log.info({ location: next.location, server: next.cluster.server }, 'opened anew, and the one of before ends');
    await before.end('opened anew');
    next.begin();
    answer();
    life = next;
    if (isWaiting(before)) {
      before.handOver(next);
      say();
    }
    void runtime.sleep(requestsEndedMs, stop.signal).then(before.close, before.close);
  };

  const reloading = watchConfig({
    ...{ current: first, load: reload, runtime, signal: stop.signal },
    onChange: (changed, changes) => turns.take(() => takeUp(changed, changes)),
    onInvalid: observation.onInvalidConfig,
  });
  onHangup?.(() => reloading.poke());

  try {
    await Promise.race([aborted(signal), failed.promise]);
  } finally {
    log.info({ reason: asHoldfastError(signal.reason).message }, 'stopping');
    stop.abort();
    await reloading.ended;
    await turns.idle();
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

/** What is opened in place of something that works has to answer. Not to be told a version is an answer. */
async function requireCluster({ cluster }: Life, signal: AbortSignal): Promise<void> {
  await cluster.version({ signal }).catch((thrown: unknown) => {
    if (!isCode(thrown, 'CLUSTER_FORBIDDEN')) throw thrown;
  });
}
