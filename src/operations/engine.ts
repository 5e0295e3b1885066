import { asHoldfastError, HoldfastError, isCode } from '../domain/errors.ts';
import {
  type Actor,
  isEnded,
  type Operation,
  type OperationLogLine,
  type OperationRequest,
  type OperationResult,
} from '../domain/operation.ts';
import type { ProgressEvent } from '../domain/runtime.ts';
import { newSetId } from '../domain/set-id.ts';
import { putOperationFile } from '../repository/operation-records.ts';
import { createIdempotencyKeys } from './idempotency.ts';
import { type Job, newJob, operationOf, type Stop, type Submission, type Work, type WorkResult } from './job.ts';
import { type JobLog, openJobLog } from './job-log.ts';
import type { OperationListener, Operations, OperationsOptions, OperationsQuery } from './operations.ts';
import { persistResult } from './persist.ts';
import { createQueue } from './queue.ts';
import { createArchive } from './records.ts';
import { type Recovered, type Resumer, recoverOperations } from './recover.ts';

const progressEveryMs = 250;
/** What stopped jobs are given to end and to write their results. */
const settleMs = 10_000;

/** See Operations. */
export class Engine implements Operations {
  readonly #options: OperationsOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #logs = new Map<string, JobLog>();
  readonly #listeners = new Set<OperationListener>();
  readonly #archive;
  readonly #keys;
  readonly #queue;
  readonly #closed = new AbortController();
  #draining = false;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#archive = createArchive(options.repository, options.runtime);
    this.#keys = createIdempotencyKeys(options.repository, options.runtime);
    this.#queue = createQueue(options.most, job => this.#run(job));
  }

  async submit(submission: Submission, work: Work): Promise<{ operation: Operation; isNew: boolean }> {
    if (this.#draining) throw new HoldfastError('SHUTTING_DOWN', `${submission.kind} was not started: the service is being stopped`);
    this.#mayWrite();
    const { lane, ...asked } = submission;
    const known = await this.#keys.claim(submission.idempotency, () => this.#record(asked));
    if (!known.isNew) {
      const operation = await this.get(known.id);
      if (operation !== undefined) return { operation, isNew: false };
    }
    // Where the record was deleted meanwhile, the key is worth nothing any more.
    return { operation: this.#enqueue(known.request ?? (await this.#record(asked)), work, lane), isNew: true };
  }

  async #record(asked: Omit<Submission, 'lane'>): Promise<OperationRequest> {
    const { repository, runtime } = this.#options;
    const now = runtime.now();
    const request: OperationRequest = { id: newSetId(now, asked.kind, runtime.random(4)), createdAt: now.toISOString(), ...asked };
    await putOperationFile(repository, request.id, 'request.json', request);
    return request;
  }

  #enqueue(request: OperationRequest, work: Work, lane: string | undefined): Operation {
    const job = newJob(request, work, lane);
    this.#jobs.set(request.id, job);
    this.#tell('changed', job);
    // What comes after a drain has begun would never be looked at again.
    if (this.#draining) this.#stop(job, interrupted('the service was stopped before it began'));
    this.#queue.add(job);
    return operationOf(job);
  }

  async #run(job: Job): Promise<void> {
    const { repository, runtime } = this.#options;
    const log = openJobLog(repository, job.request.id, runtime, () => this.#mayWrite());
    this.#logs.set(job.request.id, log);
    const startedAt = runtime.now().toISOString();
    try {
      const outcome = await this.#work(job, log, startedAt);
      job.startedAt ??= startedAt;
      const result: OperationResult = {
        id: job.request.id,
        ...outcome,
        startedAt: job.startedAt,
        finishedAt: runtime.now().toISOString(),
      };
      log.add(result.error === undefined ? 'info' : 'error', `ended ${result.phase}${result.error ? `: ${result.error.message}` : ''}`);
      // Known before it is durable, so that nobody is told that it still runs while the store is away.
      job.result = result;
      job.phase = result.phase;
      this.#tell('changed', job);
      await log.end();
      job.result = await persistResult(repository, result, { runtime, mayWrite: () => this.#mayWrite(), signal: this.#closed.signal });
      job.phase = job.result.phase;
      this.#archive.remember(operationOf(job));
    } catch (thrown) {
      // Whoever leads next finds the operation unfinished, and says so.
      const { code, message } = asHoldfastError(thrown);
      log.add('error', `its result could not be written: ${code}: ${message}`);
    } finally {
      this.#jobs.delete(job.request.id);
      this.#logs.delete(job.request.id);
      job.done.resolve();
    }
  }

  async #work(job: Job, log: JobLog, startedAt: string): Promise<Omit<OperationResult, 'id' | 'startedAt' | 'finishedAt'>> {
    const { signal } = job.controller;
    try {
      signal.throwIfAborted();
      this.#mayWrite();
      await putOperationFile(this.#options.repository, job.request.id, 'started.json', { id: job.request.id, startedAt }, { signal }).catch(
        passOver('STORE_EXISTS'),
      );
      job.phase = 'Running';
      job.startedAt = startedAt;
      this.#tell('changed', job);
      log.add('info', `started for ${job.request.actor.name}: ${job.request.kind} ${job.request.subject}`);
      let told = Number.NEGATIVE_INFINITY;
      const progress = (event: ProgressEvent): void => {
        job.progress = event;
        const now = this.#options.runtime.now().getTime();
        if (Math.abs(now - told) < progressEveryMs) return;
        told = now;
        this.#tell('progress', job);
      };
      const result: WorkResult = await job.work({ operation: job.request, signal, progress, log: log.add });
      return result;
    } catch (thrown) {
      if (job.stop !== undefined && signal.aborted) return { phase: job.stop.phase, summary: {}, error: errorOf(job.stop.why) };
      if (isCode(thrown, 'NOT_LEADER')) return { phase: 'Interrupted', summary: {}, error: errorOf(asHoldfastError(thrown)) };
      return { phase: 'Failed', summary: {}, error: errorOf(asHoldfastError(thrown)) };
    }
  }

  async get(id: string, signal?: AbortSignal): Promise<Operation | undefined> {
    const job = this.#jobs.get(id);
    return job === undefined ? this.#archive.get(id, signal) : operationOf(job);
  }

  async list(query: OperationsQuery, signal?: AbortSignal): Promise<readonly Operation[]> {
    const found: Operation[] = [];
    const ids = await this.#archive.ids(this.#jobs.keys(), signal);
    for (let i = ids.length - 1; i >= 0 && found.length < query.limit; i--) {
      const id = ids[i]!;
      if (query.after !== undefined && id >= query.after) continue;
      if (query.kind !== undefined && !id.includes(`-${query.kind}-`)) continue;
      const operation = await this.get(id, signal);
      if (operation === undefined || (query.phase !== undefined && operation.phase !== query.phase)) continue;
      if (query.matches?.(operation) ?? true) found.push(operation);
    }
    return found;
  }

  async log(id: string, query: { readonly from: number; readonly limit: number }, signal?: AbortSignal): Promise<OperationLogLine[]> {
    if ((await this.get(id, signal)) === undefined) throw notFound(id);
    return this.#archive.log(id, query, () => this.#logs.get(id)?.pending() ?? [], signal);
  }

  async cancel(id: string, actor: Actor): Promise<Operation> {
    const job = this.#jobs.get(id);
    if (job === undefined) {
      const operation = await this.get(id);
      if (operation === undefined) throw notFound(id);
      if (isEnded(operation.phase)) throw new HoldfastError('OPERATION_ENDED', `${id} has ended already: ${operation.phase}`);
      throw new HoldfastError('NOT_LEADER', `${id} does not run in this replica`);
    }
    this.#mayWrite();
    if (job.result !== undefined) throw new HoldfastError('OPERATION_ENDED', `${id} has ended already: ${job.result.phase}`);
    this.#stop(job, { phase: 'Cancelled', why: new HoldfastError('INTERRUPTED', `cancelled by ${actor.name}`) });
    return operationOf(job);
  }

  async ended(id: string): Promise<Operation> {
    const job = this.#jobs.get(id);
    await job?.done.promise;
    if (job !== undefined) return operationOf(job);
    const operation = await this.get(id);
    if (operation === undefined || !isEnded(operation.phase)) throw notFound(id);
    return operation;
  }

  active(): readonly Operation[] {
    return Array.from(this.#jobs.values(), operationOf);
  }

  subscribe(listener: OperationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async recover(resume?: Resumer): Promise<Recovered> {
    this.#keys.forget();
    return recoverOperations({
      ...this.#options,
      isOurs: id => this.#jobs.has(id),
      mayWrite: () => this.#mayWrite(),
      start: (request, work, lane) => void this.#enqueue(request, work, lane),
      resume: this.#draining ? undefined : resume,
      signal: this.#closed.signal,
    });
  }

  async abandon(why: HoldfastError): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const job of jobs) this.#stop(job, { phase: 'Interrupted', why });
    await Promise.all(jobs.map(job => job.done.promise));
  }

  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const job of this.#queue.waiting()) this.#stop(job, interrupted('the service was stopped before it began'));
    const jobs = [...this.#jobs.values()];
    const all = Promise.all(jobs.map(job => job.done.promise));
    const waited = new AbortController();
    await Promise.race([all, this.#options.runtime.sleep(graceMs, waited.signal).catch(() => {})]);
    waited.abort();
    for (const job of jobs)
      this.#stop(job, interrupted(`the service was stopped, and it had not ended ${Math.round(graceMs / 1000)} s later`));
    const given = new AbortController();
    await Promise.race([all, this.#options.runtime.sleep(settleMs, given.signal).catch(() => {})]);
    given.abort();
    // A store that is away gets no result any more; the next leader writes one.
    this.#closed.abort(new HoldfastError('SHUTTING_DOWN', 'the service is being stopped'));
    await all;
  }

  async expire(before: Date, signal?: AbortSignal): Promise<number> {
    return this.#archive.expire(before, () => this.#mayWrite(), signal);
  }

  #stop(job: Job, stop: Stop): void {
    if (job.result !== undefined) return;
    job.stop ??= stop;
    job.controller.abort(job.stop.why);
    // One that waits has nothing to stop, and must not keep anybody waiting.
    if (this.#queue.remove(job)) void this.#run(job);
  }

  #mayWrite(): void {
    const fence = this.#options.fence();
    if (fence === undefined) throw new HoldfastError('NOT_LEADER', 'another replica of the service leads');
    fence.check();
  }

  #tell(type: 'changed' | 'progress', job: Job): void {
    const operation = operationOf(job);
    for (const listener of this.#listeners) listener(type, operation);
  }
}

function interrupted(message: string): Stop {
  return { phase: 'Interrupted', why: new HoldfastError('INTERRUPTED', message) };
}

function errorOf({ code, message, hint }: HoldfastError): NonNullable<OperationResult['error']> {
  return { code, message, hint };
}

function notFound(id: string): HoldfastError {
  return new HoldfastError('OPERATION_NOT_FOUND', `there is no operation ${id}`);
}

function passOver(code: 'STORE_EXISTS'): (thrown: unknown) => void {
  return thrown => {
    if (!isCode(thrown, code)) throw thrown;
  };
}
