import type { OperationRequest, OperationResult } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { operationFolders, readOperation } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';
import type { Work } from './job.ts';
import { persistResult } from './persist.ts';
import { damageOf } from './records.ts';

/** Work for an operation that another process left unfinished; undefined where it cannot be taken up again. */
export type Resumer = (request: OperationRequest) => { readonly work: Work; readonly lane?: string } | undefined;

export interface Recovered {
  readonly resumed: readonly OperationRequest[];
  readonly interrupted: readonly OperationResult[];
  /** Records that cannot be read, in words. */
  readonly damaged: readonly string[];
}

export interface RecoverOptions {
  readonly repository: Repository;
  readonly runtime: Runtime;
  readonly isOurs: (id: string) => boolean;
  readonly mayWrite: () => void;
  readonly start: (request: OperationRequest, work: Work, lane: string | undefined) => void;
  readonly resume: Resumer | undefined;
  readonly signal: AbortSignal;
}

/** Every operation without a result that does not run here is resumed or gets one: its process is gone, or lost the lead. */
export async function recoverOperations(options: RecoverOptions): Promise<Recovered> {
  const { repository, signal } = options;
  const [resumed, interrupted, damaged]: [OperationRequest[], OperationResult[], string[]] = [[], [], []];
  for (const [id, files] of await operationFolders(repository, { signal })) {
    if (files.has('result.json') || !files.has('request.json') || options.isOurs(id)) continue;
    try {
      const record = await readOperation(repository, id, { signal });
      if (record === undefined || record.result !== undefined) continue;
      const again = options.resume?.(record.request);
      if (again !== undefined) {
        options.start(record.request, again.work, again.lane);
        resumed.push(record.request);
        continue;
      }
      interrupted.push(await persistResult(repository, interruption(record, options.runtime), options));
    } catch (thrown) {
      const damage = damageOf(thrown);
      if (damage === undefined) throw thrown;
      damaged.push(damage);
    }
  }
  return { resumed, interrupted, damaged };
}

function interruption(record: { readonly request: OperationRequest; readonly startedAt?: string }, runtime: Runtime): OperationResult {
  const { id, kind, createdAt } = record.request;
  const began = record.startedAt !== undefined;
  const look = kind === 'backup' ? '; the list of backups says whether its set was committed' : '';
  return {
    id,
    phase: 'Interrupted',
    startedAt: record.startedAt ?? createdAt,
    finishedAt: runtime.now().toISOString(),
    summary: {},
    error: {
      code: 'INTERRUPTED',
      message: began
        ? `the process that ran it ended, or lost the lead, before it said how it ended${look}`
        : 'the process that was to run it ended before it began',
      hint: 'ask for it again; what was committed is there',
    },
  };
}
