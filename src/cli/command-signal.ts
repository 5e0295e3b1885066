import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import { duration } from './format.ts';

/** The signal a command runs under: aborted by whoever stops the program, or by the time limit. */
export interface CommandSignal {
  readonly signal: AbortSignal;
  /** Aborts after `ms` milliseconds. `origin` names the setting. */
  limit(ms: number, origin: string): void;
  /** The error to end with: what aborted the command, where the error only tells that it was aborted. */
  explain(thrown: unknown): unknown;
  end(): void;
}

export function commandSignal(outer: AbortSignal): CommandSignal {
  const own = new AbortController();
  const signal = AbortSignal.any([outer, own.signal]);
  let timer: NodeJS.Timeout | undefined;
  return {
    signal,
    limit: (ms, origin) => {
      timer = setTimeout(() => own.abort(new HoldfastError('TIMEOUT', `not done after ${duration(ms)}, the limit set by ${origin}`)), ms);
    },
    explain: thrown => {
      const reason: unknown = signal.reason;
      const aborted = signal.aborted && reason instanceof HoldfastError;
      return aborted && ['INTERRUPTED', 'TIMEOUT', 'INTERNAL'].includes(asHoldfastError(thrown).code) ? reason : thrown;
    },
    end: () => clearTimeout(timer),
  };
}
