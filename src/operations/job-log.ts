import { isCode } from '../domain/errors.ts';
import type { OperationLogLine } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { putLogPart } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';

const partBytes = 64 * 1024;
const flushEveryMs = 10_000;
/** A job that says more than this has its later lines counted only. */
const mostParts = 64;
const longestMessage = 2_000;

/** The log of a running job, on its way into the repository. */
export interface JobLog {
  add(level: OperationLogLine['level'], message: string): void;
  /** Lines that are not in the repository yet. */
  pending(): readonly OperationLogLine[];
  /** Writes what is left. A log that cannot be written fails nothing. */
  end(): Promise<void>;
}

export function openJobLog(repository: Repository, id: string, runtime: Runtime, mayWrite: () => void): JobLog {
  let lines: OperationLogLine[] = [];
  let writing: readonly OperationLogLine[] = [];
  let bytes = 0;
  let part = 0;
  let flushed = runtime.now().getTime();
  let chain: Promise<void> = Promise.resolve();

  const flush = (): void => {
    if (lines.length === 0 || writing.length > 0 || part >= mostParts) return;
    writing = lines;
    lines = [];
    bytes = 0;
    flushed = runtime.now().getTime();
    chain = write(writing).finally(() => {
      writing = [];
    });
  };

  const write = async (of: readonly OperationLogLine[]): Promise<void> => {
    try {
      mayWrite();
      await putLogPart(repository, id, ++part, of);
    } catch (thrown) {
      // Another attempt of ours that was answered late, or a store that is away: the lines are the lesser loss.
      if (!isCode(thrown, 'STORE_EXISTS')) part--;
    }
  };

  return {
    add: (level, message) => {
      const line: OperationLogLine = { at: runtime.now().toISOString(), level, message: message.slice(0, longestMessage) };
      lines.push(line);
      bytes += line.message.length + 60;
      if (bytes >= partBytes || runtime.now().getTime() - flushed >= flushEveryMs) flush();
      if (part >= mostParts && lines.length > 1000) lines.shift();
    },
    pending: () => [...writing, ...lines],
    end: async () => {
      await chain;
      flush();
      await chain;
    },
  };
}
