import { asHoldfastError, isCode } from '../domain/errors.ts';
import type { OperationResult } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { putOperationFile, readOperationResult } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';

const firstDelayMs = 1_000;
const longestDelayMs = 60_000;

/**
 * Writes a result until it is there, however long the store is away; resolves with the result that counts, which is another one where
 * somebody was first. Rejects with NOT_LEADER, or with the signal's reason.
 */
export async function persistResult(
  repository: Repository,
  result: OperationResult,
  { runtime, mayWrite, signal }: { readonly runtime: Runtime; readonly mayWrite: () => void; readonly signal: AbortSignal },
): Promise<OperationResult> {
  for (let delay = firstDelayMs; ; delay = Math.min(delay * 2, longestDelayMs)) {
    signal.throwIfAborted();
    mayWrite();
    try {
      await putOperationFile(repository, result.id, 'result.json', result, { signal });
      return result;
    } catch (thrown) {
      signal.throwIfAborted();
      if (isCode(thrown, 'STORE_EXISTS')) {
        const there = await readOperationResult(repository, result.id, { signal }).catch(() => undefined);
        if (there !== undefined) return there;
      }
      if (!asHoldfastError(thrown).code.startsWith('STORE_')) throw thrown;
      await runtime.sleep(delay, signal);
    }
  }
}
