import { exitCodes, HoldfastError } from '../domain/errors.ts';

/** A clean stop is given this long; then the process leaves anyway. */
const patienceMs = 30_000;

interface SignalSource {
  readonly stderr: { write(text: string): unknown };
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  exit(code: number): never;
}

/**
 * The first Ctrl-C (or SIGTERM, SIGHUP) aborts the signal, so that the command ends by itself; the second one, or half a minute without an
 * end, quits at once. Either way nothing committed is lost.
 */
export function watchSignals(source: SignalSource): { readonly signal: AbortSignal; say(whenStopped: string): void } {
  const controller = new AbortController();
  let kept = '';
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    source.on(name, () => {
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
  };
}
