import { formatDuration, longestTimerMs } from '../domain/duration.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';

/** The signal a command runs under: aborted by whoever stops the program, or by the time limit. */
export interface CommandSignal {
  readonly signal: AbortSignal;
  /** Aborts `ms` milliseconds after the command has begun, or not at all; in place of what was said before. `origin` names the setting. */
  limit(ms: number | undefined, origin: string): void;
  /** The error to end with: what aborted the command, where the error only tells that it was aborted. */
  explain(thrown: unknown): unknown;
  end(): void;
}

export function commandSignal(outer: AbortSignal): CommandSignal {
  const own = new AbortController();
  const signal = AbortSignal.any([outer, own.signal]);
  const begun = performance.now();
  let timer: NodeJS.Timeout | undefined;
  return {
    signal,
    limit: (ms, origin) => {
      clearTimeout(timer);
      if (ms === undefined) return;
      const late = new HoldfastError('TIMEOUT', `not done after ${formatDuration(ms)}, the limit set by ${origin}`);
      const wait = () => {
        const rest = begun + ms - performance.now();
        timer = rest <= 0 ? undefined : setTimeout(wait, Math.min(rest, longestTimerMs));
        if (timer === undefined) own.abort(late);
      };
      wait();
    },
    explain: thrown => {
      const reason: unknown = signal.reason;
      const aborted = signal.aborted && reason instanceof HoldfastError;
      return aborted && ['INTERRUPTED', 'TIMEOUT', 'INTERNAL'].includes(asHoldfastError(thrown).code) ? reason : thrown;
    },
    end: () => clearTimeout(timer),
  };
}
