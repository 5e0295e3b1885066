import { asHoldfastError, type HoldfastError, isCode } from '../domain/errors.ts';
import type { OperationResult } from '../domain/operation.ts';
import type { ProgressEvent, Runtime } from '../domain/runtime.ts';
import { putOperationFile, resumedName } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';
import type { Job, WorkResult } from './job.ts';
import type { JobLog } from './job-log.ts';
import { persistResult, untilStored } from './persist.ts';
import type { Settler } from './recover.ts';

const progressEveryMs = 250;

export interface JobSurroundings {
  readonly repository: Repository;
  readonly runtime: Runtime;
  /** NOT_LEADER. */
  readonly mayWrite: () => void;
  /** Aborted when the process is about to end. */
  readonly closed: AbortSignal;
  readonly settle: Settler | undefined;
  readonly tell: (type: 'changed' | 'progress', job: Job) => void;
}

type Outcome = Pick<OperationResult, 'phase' | 'summary' | 'error'>;

/**
 * Takes a job from Pending to its end, and its result into the repository. Rejects where the result could not be written, and will not be by
 * this process: whoever leads next finds the operation unfinished, and says so.
 */
export async function runJob(job: Job, log: JobLog, surroundings: JobSurroundings): Promise<void> {
  const { repository, runtime, mayWrite, closed, tell } = surroundings;
  const { id } = job.request;
  const begunAt = runtime.now().toISOString();
  const finish = (outcome: Outcome): OperationResult => {
    const result: OperationResult = { id, ...outcome, startedAt: job.startedAt ?? begunAt, finishedAt: runtime.now().toISOString() };
    log.add(result.error === undefined ? 'info' : 'error', `ended ${result.phase}${result.error ? `: ${result.error.message}` : ''}`);
    // Known before it is durable, so that nobody is told that it still runs while the store is away.
    end(job, result);
    tell('changed', job);
    return result;
  };
  const outcome = await outcomeOf(job, log, begunAt, surroundings);
  const result = finish(
    await earned(job, outcome, surroundings).catch((thrown: unknown) => {
      finish(outcome);
      throw thrown;
    }),
  );
  await log.end();
  const durable = await persistResult(repository, result, { runtime, mayWrite, signal: closed });
  // Where the store was away, the log is not whole yet.
  await log.end();
  end(job, durable);
  if (durable.phase !== result.phase) tell('changed', job);
}

function end(job: Job, result: OperationResult): void {
  job.result = result;
  job.phase = result.phase;
}

async function outcomeOf(job: Job, log: JobLog, begunAt: string, surroundings: JobSurroundings): Promise<Outcome> {
  const { signal } = job.controller;
  try {
    signal.throwIfAborted();
    await recordStart(job, begunAt, surroundings);
    job.phase = 'Running';
    job.startedAt = job.earlier?.startedAt ?? begunAt;
    surroundings.tell('changed', job);
    const { request, earlier } = job;
    log.add(
      'info',
      `${earlier === undefined ? 'started' : 'taken up again'} for ${request.actor.name}: ${request.kind} ${request.subject}`,
    );
    const progress = progressOf(job, surroundings);
    const result = await orOver(job, job.work({ operation: request, signal, progress, log: log.add }));
    return stopped(job, result);
  } catch (thrown) {
    if (job.stop !== undefined && signal.aborted) return { phase: job.stop.phase, summary: {}, error: errorOf(job.stop.why) };
    const error = asHoldfastError(thrown);
    return { phase: isCode(error, 'NOT_LEADER') ? 'Interrupted' : 'Failed', summary: {}, error: errorOf(error) };
  }
}

/** What fails when it is told to stop was stopped; what got done all the same was done. */
function stopped(job: Job, result: WorkResult): Outcome {
  if (job.stop === undefined || result.phase !== 'Failed') return result;
  return { phase: job.stop.phase, summary: result.summary, error: errorOf(job.stop.why) };
}

/** What was stopped may have done its work all the same, in the very write that was under way; from now on it does nothing more. */
async function earned(job: Job, outcome: Outcome, { settle, runtime, mayWrite, closed }: JobSurroundings): Promise<Outcome> {
  const wasStopped = outcome.phase === 'Interrupted' || outcome.phase === 'Cancelled';
  if (!wasStopped || settle === undefined || job.startedAt === undefined) return outcome;
  const done = await untilStored({ runtime, mayWrite, signal: closed }, signal => {
    mayWrite();
    return settle(job.request, signal);
  });
  return done ?? outcome;
}

async function recordStart(job: Job, at: string, { repository, mayWrite }: JobSurroundings): Promise<void> {
  const { id } = job.request;
  const again = job.earlier?.startedAt !== undefined;
  mayWrite();
  const file = again ? resumedName(job.earlier.resumes + 1) : 'started.json';
  try {
    await putOperationFile(repository, id, file, { id, startedAt: at }, { signal: job.controller.signal });
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_EXISTS')) throw thrown;
  }
}

function progressOf(job: Job, { runtime, tell }: JobSurroundings): (event: ProgressEvent) => void {
  let told = Number.NEGATIVE_INFINITY;
  return event => {
    if (job.result !== undefined) return;
    job.progress = event;
    const now = runtime.now().getTime();
    if (Math.abs(now - told) < progressEveryMs) return;
    told = now;
    tell('progress', job);
  };
}

/** The work’s result, unless it is waited for no longer. */
function orOver<T>(job: Job, work: Promise<T>): Promise<T> {
  const { signal } = job.over;
  const over = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, over]);
}

function errorOf({ code, message, hint }: HoldfastError): NonNullable<OperationResult['error']> {
  return { code, message, hint };
}
