import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import { duration } from './format.ts';

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
      const late = new HoldfastError('TIMEOUT', `not done after ${duration(ms)}, the limit set by ${origin}`);
      timer = setTimeout(() => own.abort(late), begun + ms - performance.now());
    },
    explain: thrown => {
      const reason: unknown = signal.reason;
      const aborted = signal.aborted && reason instanceof HoldfastError;
      return aborted && ['INTERRUPTED', 'TIMEOUT', 'INTERNAL'].includes(asHoldfastError(thrown).code) ? reason : thrown;
    },
    end: () => clearTimeout(timer),
  };
}
