import { asHoldfastError } from '../domain/errors.ts';
import { isEnded, type Operation, type OperationLogLine } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { setTime } from '../domain/set-id.ts';
import {
  type OperationRecord,
  operationFiles,
  operationFolders,
  operationIds,
  operationKey,
  readLog,
  readOperation,
} from '../repository/operation-records.ts';
import { withSignal } from '../repository/read-bytes.ts';
import type { Repository } from '../repository/repository.ts';

const mostRemembered = 500;
/** How long a listing of ids is good enough for showing. */
const idsFreshMs = 2_000;

/** The operations that lie in the repository, of this process and of others. */
export interface Archive {
  get(id: string, signal?: AbortSignal): Promise<Operation | undefined>;
  /** All there are, with those that this process knows, ascending. */
  ids(own: Iterable<string>, signal?: AbortSignal): Promise<readonly string[]>;
  /** `pending` is asked after what is stored was read. */
  log(
    id: string,
    query: { readonly from: number; readonly limit: number },
    pending: () => readonly OperationLogLine[],
    signal?: AbortSignal,
  ): Promise<OperationLogLine[]>;
  /** Keeps an ended operation at hand. */
  remember(operation: Operation): void;
  expire(before: Date, mayWrite: () => void, signal?: AbortSignal): Promise<number>;
}

export function createArchive(repository: Repository, runtime: Runtime): Archive {
  const remembered = new Map<string, Operation>();
  let known: { readonly at: number; readonly ids: readonly string[] } | undefined;

  const remember = (operation: Operation): void => {
    remembered.set(operation.request.id, operation);
    for (const oldest of remembered.keys()) {
      if (remembered.size <= mostRemembered) break;
      remembered.delete(oldest);
    }
  };

  return {
    remember,
    get: async (id, signal) => {
      const at = remembered.get(id);
      if (at !== undefined) return at;
      const record = await readOperation(repository, id, { signal });
      if (record === undefined) return undefined;
      const operation = fromRecord(record);
      if (isEnded(operation.phase)) remember(operation);
      return operation;
    },
    ids: async (own, signal) => {
      const now = runtime.now().getTime();
      if (known === undefined || Math.abs(now - known.at) > idsFreshMs) {
        known = { at: now, ids: await Array.fromAsync(operationIds(repository, { signal })) };
      }
      return [...new Set([...known.ids, ...remembered.keys(), ...own])].sort();
    },
    log: async (id, { from, limit }, pending, signal) => {
      const lines: OperationLogLine[] = [];
      let at = 0;
      const take = (line: OperationLogLine): boolean => {
        if (at++ >= from) lines.push(line);
        return lines.length < limit;
      };
      for await (const line of readLog(repository, id, { signal })) if (!take(line)) return lines;
      for (const line of pending()) if (!take(line)) break;
      return lines;
    },
    expire: async (before, mayWrite, signal) => {
      let expired = 0;
      for (const [id, files] of await operationFolders(repository, { signal })) {
        if ((setTime(id)?.getTime() ?? Number.POSITIVE_INFINITY) >= before.getTime()) continue;
        for (const file of deletionOrder(files)) {
          mayWrite();
          await repository.store.delete(operationKey(id, file), withSignal({ signal }));
        }
        remembered.delete(id);
        expired++;
      }
      known = undefined;
      return expired;
    },
  };
}

/** The request first: without it there is no operation, while one without its result would look unfinished. */
function deletionOrder(files: ReadonlySet<string>): string[] {
  const first: readonly string[] = operationFiles;
  return [...first.filter(file => files.has(file)), ...[...files].filter(file => !first.includes(file))];
}

/** An operation without a result runs elsewhere, or its process is gone: the leader will say. */
function fromRecord({ request, startedAt, result }: OperationRecord): Operation {
  if (result !== undefined) return { request, phase: result.phase, startedAt: result.startedAt, result };
  return startedAt === undefined ? { request, phase: 'Pending' } : { request, phase: 'Running', startedAt };
}

/** Of an operation whose records cannot be read, in words. */
export function damageOf(thrown: unknown): string | undefined {
  const { code, message } = asHoldfastError(thrown);
  return code === 'BACKUP_CORRUPT' ? message : undefined;
}
