import { exitCodes, HoldfastError } from '../domain/errors.ts';

/** A clean stop is given this long; then the process leaves anyway. */
const patienceMs = 30_000;

interface SignalSource {
  readonly stderr: { write(text: string): unknown };
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  exit(code: number): never;
}

export interface StopSignals {
  readonly signal: AbortSignal;
  /** What is kept when the command is stopped. */
  say(whenStopped: string): void;
  /** From now on SIGHUP calls this and stops nothing. */
  onHangup(listener: () => void): void;
}

/**
 * The first Ctrl-C (or SIGTERM, SIGHUP) aborts the signal, so that the command ends by itself; the second one, or half a minute without an
 * end, quits at once. Either way nothing committed is lost. A command that runs on may take SIGHUP for something else.
 */
export function watchSignals(source: SignalSource): StopSignals {
  let hangup: (() => void) | undefined;
  const controller = new AbortController();
  let kept = '';
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    source.on(name, () => {
      if (name === 'SIGHUP' && hangup !== undefined) return hangup();
      if (controller.signal.aborted) source.exit(exitCodes.interrupted);
      const again = name === 'SIGINT' ? ' Press Ctrl-C again to quit at once.' : '';
      source.stderr.write(`\nStopping.${kept === '' ? '' : ` ${kept}`}${again}\n`);
      controller.abort(new HoldfastError('INTERRUPTED', `interrupted by ${name}`));
      setTimeout(() => source.exit(exitCodes.interrupted), patienceMs).unref();
    });
  }
  return {
    signal: controller.signal,
    say: whenStopped => {
      kept = whenStopped;
    },
    onHangup: listener => {
      hangup = listener;
    },
  };
}
