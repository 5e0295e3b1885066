import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { mainFile } from './command.ts';

/** Runs `holdfast` and kills it with SIGKILL as soon as `moment` resolves; false where it had ended by itself. */
export async function killAt(moment: (ended: AbortSignal) => Promise<unknown>, args: readonly string[]): Promise<boolean> {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: 'ignore' });
  const ended = new AbortController();
  const exit = once(child, 'exit').then(([, signal]) => {
    ended.abort();
    return signal as NodeJS.Signals | null;
  });
  await moment(ended.signal).then(
    () => child.kill('SIGKILL'),
    (thrown: unknown) => {
      if (ended.signal.aborted) return;
      child.kill('SIGKILL');
      throw thrown;
    },
  );
  return (await exit) === 'SIGKILL';
}

/** After so many milliseconds. */
export function killAfter(ms: number, args: readonly string[]): Promise<boolean> {
  return killAt(signal => after(ms, undefined, { signal }), args);
}

/** As soon as something is so, which is looked at again and again without a pause worth the name. */
export function killWhen(isSo: () => Promise<boolean>, args: readonly string[]): Promise<boolean> {
  return killAt(async ended => {
    while (!(await isSo())) await after(2, undefined, { signal: ended });
  }, args);
}
