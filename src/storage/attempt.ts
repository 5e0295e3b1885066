import { isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';

/** Runs something once or several times. `run` may be called again after it has rejected. */
export type Attempt = <T>(run: (attempt: number) => Promise<T>, signal?: AbortSignal) => Promise<T>;

export interface RetryPolicy {
  /** Tries, the first included. */
  readonly attempts: number;
  /** Milliseconds from the first try after which no other is begun. */
  readonly totalMs: number;
  /** Milliseconds of the first pause at most; it doubles each time. */
  readonly firstMs: number;
  /** Milliseconds of any pause at most. */
  readonly maxMs: number;
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 6, totalMs: 120_000, firstMs: 200, maxMs: 15_000 };

/** One try and no other. */
export const once: Attempt = run => run(1);

/** Would the same call have a chance a little later? Only errors of the store's own count: others are not for it to repeat. */
export function isTransient(thrown: unknown): boolean {
  return isCode(thrown, 'STORE_UNREACHABLE', 'STORE_ERROR');
}

/** A pause between half and all of what the policy allows at this try, at random, so that many who failed together do not return together. */
export function pauseMs(policy: RetryPolicy, attempt: number, runtime: Pick<Runtime, 'random'>): number {
  const most = Math.min(policy.maxMs, policy.firstMs * 2 ** (attempt - 1));
  const [a = 0, b = 0] = runtime.random(2);
  return Math.round(most * (0.5 + (a * 256 + b) / 131_072));
}

/** Tries again after transient errors, within the policy; the last error is what remains. An abort ends a pause at once. */
export function retrying(policy: RetryPolicy, runtime: Runtime): Attempt {
  return async (run, signal) => {
    const started = runtime.now().getTime();
    for (let attempt = 1; ; attempt++) {
      try {
        return await run(attempt);
      } catch (thrown) {
        const pause = pauseMs(policy, attempt, runtime);
        const late = runtime.now().getTime() + pause - started > policy.totalMs;
        if (!isTransient(thrown) || attempt >= policy.attempts || late) throw thrown;
        await runtime.sleep(pause, signal);
      }
    }
  };
}
