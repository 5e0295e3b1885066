import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';

/** What `call` gives, or TIMEOUT after `ms` milliseconds, even where it does not heed the signal that is then aborted. */
export async function bounded<T>(
  runtime: Pick<Runtime, 'sleep'>,
  ms: number,
  signal: AbortSignal | undefined,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const [late, timer] = [new AbortController(), new AbortController()];
  const limit = async (): Promise<never> => {
    await runtime.sleep(ms, timer.signal);
    const error = new HoldfastError('TIMEOUT', `no answer within ${Math.round(ms)} ms`);
    late.abort(error);
    throw error;
  };
  try {
    return await Promise.race([call(signal === undefined ? late.signal : AbortSignal.any([late.signal, signal])), limit()]);
  } finally {
    timer.abort();
  }
}

/** Resolves after `ms` milliseconds, or as soon as the signal is aborted. */
export async function pause(runtime: Pick<Runtime, 'sleep'>, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  try {
    await runtime.sleep(ms, signal);
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}
