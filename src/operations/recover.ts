import type { OperationKind, OperationRequest, OperationResult } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { countFiles, operationFolders, readOperation } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';
import type { Earlier, Work, WorkResult } from './job.ts';
import { persistResult } from './persist.ts';
import { damageOf } from './records.ts';

/** An operation that was taken up so often without an end may be what ends the process. */
const mostResumes = 3;

/** Work for an operation that another process left unfinished; undefined where it cannot be taken up again. */
export type Resumer = (request: OperationRequest) => Resumption | undefined;

/**
 * What an operation that was stopped, or cannot be taken up again, has achieved all the same; undefined where it has achieved nothing, and will not
 * any more, whatever of it is still under way. May be called again after any error.
 */
export type Settler = (request: OperationRequest, signal: AbortSignal) => Promise<WorkResult | undefined>;

export interface Resumption {
  readonly work: Work;
  readonly lane?: string;
}

export interface Recovered {
  readonly resumed: readonly OperationRequest[];
  readonly interrupted: readonly OperationResult[];
  /** Those that had done their work, and had only not said so. */
  readonly settled: readonly OperationResult[];
  /** Records that cannot be read, in words. */
  readonly damaged: readonly string[];
}

export interface RecoverOptions {
  readonly repository: Repository;
  readonly runtime: Runtime;
  readonly isOurs: (id: string) => boolean;
  /** Of another cluster, whose service may be at work with it. */
  readonly isForeign: (request: OperationRequest) => boolean;
  readonly mayWrite: () => void;
  readonly start: (request: OperationRequest, again: Resumption, earlier: Earlier) => void;
  readonly resume: Resumer | undefined;
  readonly settle: Settler | undefined;
  readonly signal: AbortSignal;
}

/** Every operation of this cluster without a result that does not run here is resumed or gets one: its process is gone, or lost the lead. */
export async function recoverOperations(options: RecoverOptions): Promise<Recovered> {
  const { repository, signal } = options;
  const resumed: OperationRequest[] = [];
  const [interrupted, settled]: [OperationResult[], OperationResult[]] = [[], []];
  const damaged: string[] = [];
  for (const [id, files] of await operationFolders(repository, { signal })) {
    if (files.has('result.json') || !files.has('request.json') || options.isOurs(id)) continue;
    try {
      const record = await readOperation(repository, id, { signal });
      if (record === undefined || record.result !== undefined || options.isOurs(id) || options.isForeign(record.request)) continue;
      const { request, startedAt } = record;
      const earlier: Earlier = { ...countFiles(files), ...(startedAt !== undefined && { startedAt }) };
      const again = earlier.resumes < mostResumes ? options.resume?.(request) : undefined;
      if (again !== undefined) {
        options.start(request, again, earlier);
        resumed.push(request);
        continue;
      }
      const done = await options.settle?.(request, signal);
      const result = done === undefined ? interruption(request, earlier, options.runtime) : ending(request, done, earlier, options.runtime);
      (done === undefined ? interrupted : settled).push(await persistResult(repository, result, options));
    } catch (thrown) {
      const damage = damageOf(thrown);
      if (damage === undefined) throw thrown;
      damaged.push(damage);
    }
  }
  return { resumed, interrupted, settled, damaged };
}

function ending({ id, createdAt }: OperationRequest, done: WorkResult, { startedAt }: Earlier, runtime: Runtime): OperationResult {
  return { id, ...done, startedAt: startedAt ?? createdAt, finishedAt: runtime.now().toISOString() };
}

function interruption({ id, kind, createdAt }: OperationRequest, { startedAt, resumes }: Earlier, runtime: Runtime): OperationResult {
  return {
    id,
    phase: 'Interrupted',
    startedAt: startedAt ?? createdAt,
    finishedAt: runtime.now().toISOString(),
    // Of one that was begun: it may be what ended its process. A service that is stopped in order says otherwise how its own end.
    summary: startedAt === undefined ? {} : { lost: true },
    error: {
      code: 'INTERRUPTED',
      message: startedAt === undefined ? 'the process that was to run it ended before it began' : reason(kind, resumes),
      hint: 'ask for it again; what was committed is there',
    },
  };
}

function reason(kind: OperationKind, resumes: number): string {
  const look = kind === 'backup' ? '; the list of backups says whether its set was committed' : '';
  if (resumes >= mostResumes) return `it was taken up again ${resumes} times, and each time its process ended before it${look}`;
  return `the process that ran it ended, or lost the lead, before it said how it ended${look}`;
}
