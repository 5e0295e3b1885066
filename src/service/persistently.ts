import { asHoldfastError } from '../domain/errors.ts';
import type { World } from './world.ts';

const firstDelayMs = 1_000;
const longestDelayMs = 60_000;

/**
 * Does the work until it succeeds or the signal aborts, with a growing delay of at most a minute between two tries; each failure is logged as
 * this trouble. What seems hopeless is tried again too: a right that is missing may be granted, a full disk emptied. NOT_LEADER ends it.
 */
export async function persistently(
  { log, runtime }: Pick<World, 'log' | 'runtime'>,
  signal: AbortSignal,
  trouble: string,
  work: () => Promise<void>,
): Promise<void> {
  for (let delay = firstDelayMs; !signal.aborted; delay = Math.min(delay * 2, longestDelayMs)) {
    if (await succeeds({ log }, signal, trouble, work)) return;
    await runtime.sleep(delay, signal).catch(() => {});
  }
}

/** Tries the work once; a failure is logged as this trouble, unless the signal has aborted. NOT_LEADER. */
export async function succeeds(
  { log }: Pick<World, 'log'>,
  signal: AbortSignal,
  trouble: string,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (thrown) {
    if (signal.aborted) return false;
    const error = asHoldfastError(thrown);
    if (error.code === 'NOT_LEADER') throw error;
    log.error({ err: error }, trouble);
    return false;
  }
}
