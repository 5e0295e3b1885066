import { isCode } from '../domain/errors.ts';
import type { OperationLogLine } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { putLogPart } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';

const partBytes = 64 * 1024;
/** What waits while the store is away, or where a job has said too much already. */
const mostWaitingBytes = 256 * 1024;
const flushEveryMs = 10_000;
/** A job that runs so long that it has this many parts writes them less often. */
const frequentParts = 30;
const seldomFlushMs = 60_000;
/** The last one is for how it ended. */
const mostParts = 256;
const longestMessage = 2_000;

/** The log of a running job, on its way into the repository. */
export interface JobLog {
  add(level: OperationLogLine['level'], message: string): void;
  /** How many parts are in the repository, and the lines that are not in them. */
  snapshot(): { readonly parts: number; readonly lines: readonly OperationLogLine[] };
  /** Writes what is left; may be called again where that did not succeed. A log that cannot be written fails nothing. */
  end(): Promise<void>;
}

export interface JobLogOptions {
  readonly repository: Repository;
  readonly id: string;
  readonly runtime: Runtime;
  readonly mayWrite: () => void;
  readonly signal: AbortSignal;
  /** Parts that another process wrote before. */
  readonly parts: number;
}

export function openJobLog({ repository, id, runtime, mayWrite, signal, parts: before }: JobLogOptions): JobLog {
  const ended = new AbortController();
  let waiting: OperationLogLine[] = [];
  let bytes = 0;
  let leftOut = 0;
  let inFlight: readonly OperationLogLine[] = [];
  let writing: Promise<void> | undefined;
  let parts = before;
  let timed = false;

  const write = async (): Promise<void> => {
    const [held, left] = [waiting, leftOut];
    inFlight = left === 0 ? held : [{ at: held[0]!.at, level: 'warn', message: `${left} lines before this one were left out` }, ...held];
    [waiting, bytes, leftOut] = [[], 0, 0];
    try {
      parts = await putNext();
    } catch {
      // The store is away, or the lead is lost: they are kept as long as there is room.
      [waiting, leftOut] = [[...held, ...waiting], leftOut + left];
      bytes = waiting.reduce((sum, line) => sum + sizeOf(line), 0);
    }
    inFlight = [];
  };

  const putNext = async (): Promise<number> => {
    for (let part = parts + 1; ; part++) {
      mayWrite();
      try {
        await putLogPart(repository, id, part, inFlight, { signal });
        return part;
      } catch (thrown) {
        // Another process had this job before.
        if (!isCode(thrown, 'STORE_EXISTS') || part > mostParts) throw thrown;
      }
    }
  };

  const flush = (): Promise<void> => {
    if (writing === undefined && waiting.length > 0) {
      writing = write().finally(() => {
        writing = undefined;
        if (waiting.length > 0) later();
      });
    }
    return writing ?? Promise.resolve();
  };

  /** Lines reach the repository also where no further one follows. */
  const later = (): void => {
    if (timed || ended.signal.aborted || signal.aborted || parts >= mostParts - 1) return;
    timed = true;
    void runtime.sleep(parts < frequentParts ? flushEveryMs : seldomFlushMs, ended.signal).then(
      () => {
        timed = false;
        void flush();
      },
      () => {},
    );
  };

  const makeRoom = (): void => {
    while (bytes > mostWaitingBytes) {
      bytes -= sizeOf(waiting.shift()!);
      leftOut++;
    }
  };

  return {
    add: (level, message) => {
      const line: OperationLogLine = { at: runtime.now().toISOString(), level, message: message.slice(0, longestMessage) };
      waiting.push(line);
      bytes += sizeOf(line);
      makeRoom();
      if (bytes >= partBytes && parts < mostParts - 1) void flush();
      else later();
    },
    snapshot: () => ({ parts, lines: [...inFlight, ...waiting] }),
    end: async () => {
      ended.abort();
      await writing;
      await flush();
    },
  };
}

function sizeOf(line: OperationLogLine): number {
  return line.message.length + 60;
}
