import type { MoverProgress } from '../domain/mover.ts';
import type { ResticMessage } from './restic-messages.ts';

/** The service needs to see that something moves, not each step. */
const everyMs = 2_000;

/** Prints a line of progress now and then, and never the same twice. */
export function progressPrinter(print: (line: string) => void, now: () => number): (progress: MoverProgress['progress']) => void {
  let last = Number.NEGATIVE_INFINITY;
  let printed = '';
  return progress => {
    if (now() - last < everyMs) return;
    const line = JSON.stringify({ progress } satisfies MoverProgress);
    if (line === printed) return;
    last = now();
    printed = line;
    print(line);
  };
}

/** Restic’s own status as progress. */
export function statusTo(report: (progress: MoverProgress['progress']) => void): (message: ResticMessage) => void {
  return message => {
    if (message.type === 'status') report({ files: message.files, bytes: message.bytes, totalBytes: message.totalBytes });
  };
}
