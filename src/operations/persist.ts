import { asHoldfastError, type HoldfastError, isCode } from '../domain/errors.ts';
import type { OperationRequest, OperationResult } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { putOperationFile, readOperationRequest, readOperationResult } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';

const firstDelayMs = 1_000;
const longestDelayMs = 60_000;

export interface PersistOptions {
  readonly runtime: Runtime;
  /** NOT_LEADER. */
  readonly mayWrite: () => void;
  readonly signal: AbortSignal;
}

/**
 * Writes a result until it is there, however long the store is away; resolves with the result that counts, which is another one where
 * somebody was first. Rejects with NOT_LEADER, BACKUP_CORRUPT where what is there cannot be read, or the signal's reason.
 */
export function persistResult(repository: Repository, result: OperationResult, options: PersistOptions): Promise<OperationResult> {
  return untilStored(options, async signal => {
    options.mayWrite();
    try {
      await putOperationFile(repository, result.id, 'result.json', result, { signal });
      return result;
    } catch (thrown) {
      if (!isCode(thrown, 'STORE_EXISTS')) throw thrown;
      const there = await readOperationResult(repository, result.id, { signal });
      if (there === undefined) throw thrown;
      return there;
    }
  });
}

/**
 * For a request whose put failed: its answer may have been lost, and then it lies there though nobody will do it. It gets the result that
 * says so. Rejects like `persistResult`.
 */
export async function withdrawRequest(
  repository: Repository,
  request: OperationRequest,
  why: HoldfastError,
  options: PersistOptions,
): Promise<void> {
  const there = await untilStored(options, signal => readOperationRequest(repository, request.id, { signal }));
  if (there === undefined) return;
  const at = options.runtime.now().toISOString();
  const error = { code: why.code, message: `it was not started, since its record was not confirmed: ${why.message}`, hint: why.hint };
  await persistResult(repository, { id: request.id, phase: 'Failed', startedAt: at, finishedAt: at, summary: {}, error }, options);
}

/** Tries again, with growing pauses, as long as the store cannot do it. */
export async function untilStored<T>({ runtime, signal }: PersistOptions, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  for (let delay = firstDelayMs; ; delay = Math.min(delay * 2, longestDelayMs)) {
    signal.throwIfAborted();
    try {
      return await attempt(signal);
    } catch (thrown) {
      signal.throwIfAborted();
      if (!asHoldfastError(thrown).code.startsWith('STORE_')) throw thrown;
      await runtime.sleep(delay, signal);
    }
  }
}
