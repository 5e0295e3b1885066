import { asHoldfastError } from '../domain/errors.ts';
import { type EndedPhase, isEnded, type Operation, type OperationLogLine, type OperationRequest } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { setTime } from '../domain/set-id.ts';
import { unlessAborted } from '../repository/concurrency.ts';
import {
  type OperationRecord,
  operationFiles,
  operationFolders,
  operationIds,
  operationKey,
  readLog,
  readOperation,
  readOperationRequest,
} from '../repository/operation-records.ts';
import { type CallOptions, withSignal } from '../repository/read-bytes.ts';
import type { Repository } from '../repository/repository.ts';

const mostRemembered = 500;
/** Longer than those of our own: its service may want them for longer. */
const othersKeptMs = 90 * 24 * 3_600_000;
/** How long a listing of ids is good enough for showing. */
const idsFreshMs = 2_000;

interface IdsOptions extends CallOptions {
  /** However recently somebody has looked. */
  readonly anew?: boolean | undefined;
}

/** The operations that lie in the repository, of this process and of others. */
export interface Archive {
  /** BACKUP_CORRUPT when its request was altered. */
  get(id: string, signal?: AbortSignal): Promise<Operation | undefined>;
  /** All there are, with those that this process knows, ascending. */
  ids(own: Iterable<string>, options: IdsOptions): Promise<readonly string[]>;
  /** Without looking; undefined where that is not known. */
  endedAs(id: string): EndedPhase | undefined;
  /** `running`: what the job itself knows of its log, if it runs here. */
  log(
    id: string,
    query: { readonly from: number; readonly limit: number },
    running: { readonly parts: number; readonly lines: readonly OperationLogLine[] } | undefined,
    signal?: AbortSignal,
  ): Promise<OperationLogLine[]>;
  /** Keeps an ended operation at hand. */
  remember(operation: Operation): void;
  /** Those that have not ended stay. */
  expire(
    before: Date,
    options: {
      readonly mayWrite: () => void;
      readonly isOurs: (id: string) => boolean;
      readonly isForeign: (request: OperationRequest) => boolean;
    },
    signal?: AbortSignal,
  ): Promise<number>;
}

export function createArchive(repository: Repository, runtime: Runtime): Archive {
  const remembered = new Map<string, Operation>();
  /** Of many more than are remembered: what has ended does not change any more. */
  const ended = new Map<string, EndedPhase>();
  let known: { readonly at: number; readonly ids: readonly string[] } | undefined;
  let looking: Promise<readonly string[]> | undefined;

  const remember = (operation: Operation): void => {
    remembered.set(operation.request.id, operation);
    if (isEnded(operation.phase)) ended.set(operation.request.id, operation.phase);
    for (const oldest of remembered.keys()) {
      if (remembered.size <= mostRemembered) break;
      remembered.delete(oldest);
    }
  };

  const forget = (id: string): void => {
    remembered.delete(id);
    ended.delete(id);
  };

  /** Shared by all who ask at the same moment, and so ended by none of them. */
  const look = (): Promise<readonly string[]> => {
    looking ??= Array.fromAsync(operationIds(repository))
      .then(ids => {
        known = { at: runtime.now().getTime(), ids };
        const there = new Set(ids);
        for (const id of ended.keys()) if (!there.has(id)) forget(id);
        return ids;
      })
      .finally(() => {
        looking = undefined;
      });
    return looking;
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
    ids: async (own, { anew = false, signal }) => {
      // A look that is under way may have passed by what has come since.
      if (anew) await unlessAborted(Promise.allSettled([looking]), signal);
      const isFresh = !anew && known !== undefined && Math.abs(runtime.now().getTime() - known.at) <= idsFreshMs;
      const stored = isFresh ? known!.ids : await unlessAborted(look(), signal);
      return [...new Set([...stored, ...remembered.keys(), ...own])].sort();
    },
    endedAs: id => ended.get(id),
    log: async (id, { from, limit }, running, signal) => {
      const lines: OperationLogLine[] = [];
      let at = 0;
      const take = (line: OperationLogLine): boolean => {
        if (at++ >= from) lines.push(line);
        return lines.length < limit;
      };
      for await (const line of readLog(repository, id, { signal, parts: running?.parts })) if (!take(line)) return lines;
      for (const line of running?.lines ?? []) if (!take(line)) break;
      return lines;
    },
    expire: async (before, { mayWrite, isOurs, isForeign }, signal) => {
      let expired = 0;
      const isOfOthers = async (id: string): Promise<boolean> => {
        const request = await readOperationRequest(repository, id, { signal }).catch(orUnreadable);
        return request !== undefined && isForeign(request);
      };
      for (const [id, files] of await operationFolders(repository, { signal })) {
        const isUnfinished = files.has('request.json') && !files.has('result.json');
        const at = setTime(id)?.getTime() ?? Number.POSITIVE_INFINITY;
        if (at >= before.getTime() || isOurs(id)) continue;
        // Those of a cluster that was lost must go some day, and nobody ends them any more.
        const isForeignNow = await isOfOthers(id);
        if (isForeignNow ? at >= before.getTime() - othersKeptMs : isUnfinished) continue;
        for (const file of deletionOrder(files)) {
          mayWrite();
          await repository.store.delete(operationKey(id, file), withSignal({ signal }));
        }
        forget(id);
        expired++;
      }
      known = undefined;
      return expired;
    },
  };
}

/** What cannot be read names no cluster. */
function orUnreadable(thrown: unknown): undefined {
  if (damageOf(thrown) === undefined) throw thrown;
  return undefined;
}

/** The request first: without it there is no operation, while one without its result would look unfinished. */
function deletionOrder(files: ReadonlySet<string>): string[] {
  const first: readonly string[] = operationFiles;
  return [...first.filter(file => files.has(file)), ...[...files].filter(file => !first.includes(file))];
}

/** An operation without a result runs elsewhere, or its process is gone: the leader will say. */
function fromRecord({ request, startedAt, result, damage }: OperationRecord): Operation {
  if (result !== undefined) return { request, phase: result.phase, startedAt: result.startedAt, result };
  if (damage !== undefined) return fromDamage(request, startedAt ?? request.createdAt, damage);
  return startedAt === undefined ? { request, phase: 'Pending' } : { request, phase: 'Running', startedAt };
}

/** It ended, and how is lost: so it must not count as Completed, and will not end again. */
function fromDamage(request: OperationRequest, startedAt: string, message: string): Operation {
  const hint = 'the ledger, and the list of backups or the cluster, say what became of it';
  const error = { code: 'BACKUP_CORRUPT' as const, message, hint };
  const result = { id: request.id, phase: 'Interrupted' as const, startedAt, finishedAt: startedAt, summary: {}, error };
  return { request, phase: result.phase, startedAt, result };
}

/** Of an operation whose records cannot be read, in words. */
export function damageOf(thrown: unknown): string | undefined {
  const { code, message } = asHoldfastError(thrown);
  return code === 'BACKUP_CORRUPT' ? message : undefined;
}
