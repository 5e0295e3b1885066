import pLimit from 'p-limit';
import { HoldfastError } from '../domain/errors.ts';

/** Lets so many do something at once, so many more wait for it, and turns all others away. */
export interface BoundedQueue {
  /** RATE_LIMITED where too many wait; the signal’s reason for one that is not waited for any more. */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export function createBoundedQueue(atOnce: number, mostWaiting: number): BoundedQueue {
  const limit = pLimit(atOnce);
  return {
    run: (work, signal) => {
      if (limit.pendingCount >= mostWaiting) throw new HoldfastError('RATE_LIMITED', `${atOnce + mostWaiting} such requests are under way`);
      return limit(() => {
        signal.throwIfAborted();
        return work();
      });
    },
  };
}
