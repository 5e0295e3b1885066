import { isSameCluster } from '../domain/cluster-identity.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import { type Actor, isEnded, type Operation, type OperationLogLine, type OperationRequest } from '../domain/operation.ts';
import { newSetId } from '../domain/set-id.ts';
import { mapAhead } from '../repository/concurrency.ts';
import { putOperationFile } from '../repository/operation-records.ts';
import { createIdempotencyKeys } from './idempotency.ts';
import { type Earlier, type Job, newJob, operationOf, type Stop, type Submission, type Work } from './job.ts';
import { type JobLog, openJobLog } from './job-log.ts';
import type { OperationListener, Operations, OperationsOptions, OperationsQuery } from './operations.ts';
import { withdrawRequest } from './persist.ts';
import { createQueue } from './queue.ts';
import { createArchive, damageOf } from './records.ts';
import { type Recovered, type Resumer, recoverOperations } from './recover.ts';
import { runJob } from './run-job.ts';

/** What stopped jobs are given to end, and then again to write their results. */
const settleMs = 10_000;
const readsAhead = 16;

/** Operations of one caller that may wait. */
const mostWaiting = 100;
const mostWaitingOfGuests = 10;

/** See Operations. */
export class Engine implements Operations {
  readonly #options: OperationsOptions;
  readonly #jobs = new Map<string, Job>();
  /** Ids of operations whose record is being written. */
  readonly #making = new Set<string>();
  readonly #logs = new Map<string, JobLog>();
  readonly #listeners = new Set<OperationListener>();
  readonly #archive;
  readonly #keys;
  readonly #queue;
  readonly #closed = new AbortController();
  /** What is done to the service, once it drains. */
  #draining: string | undefined;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#archive = createArchive(options.repository, options.runtime);
    this.#keys = createIdempotencyKeys(options.repository, options.runtime, request => this.#isForeign(request));
    this.#queue = createQueue(options.most, job => this.#run(job));
  }

  async submit(submission: Submission, work: Work): Promise<{ operation: Operation; isNew: boolean }> {
    this.#mayWrite();
    const { lane, ...asked } = submission;
    this.#refuseMore(submission);
    const known = await this.#keys.claim(submission.idempotency, () => this.#record(asked));
    if (!known.isNew) {
      const operation = await this.get(known.id);
      if (operation !== undefined) return { operation, isNew: false };
    }
    // Where the record was deleted meanwhile, the key is worth nothing any more.
    return { operation: this.#enqueue(known.request ?? (await this.#record(asked)), work, lane), isNew: true };
  }

  /** What nobody can wait for is not taken. */
  #refuseMore({ actor, namespaces }: Submission): void {
    if (actor.via === 'schedule') return;
    const own = this.#queue.waiting().filter(({ request }) => request.actor.name === actor.name).length;
    if (own < (namespaces === undefined ? mostWaiting : mostWaitingOfGuests)) return;
    throw new HoldfastError('RATE_LIMITED', `${own} operations of ${actor.name} wait already`, {
      hint: 'wait for them, or cancel those that are not needed any more',
    });
  }

  async known(idempotency: NonNullable<Submission['idempotency']>): Promise<Operation | undefined> {
    const id = await this.#keys.find(idempotency);
    return id === undefined ? undefined : this.get(id);
  }

  async #record(asked: Omit<Submission, 'lane'>): Promise<OperationRequest> {
    const { repository, runtime } = this.#options;
    if (this.#draining !== undefined) {
      throw new HoldfastError('SHUTTING_DOWN', `${asked.kind} was not started: the service is being ${this.#draining}`);
    }
    const now = runtime.now();
    const cluster = this.#options.cluster?.();
    const request: OperationRequest = {
      ...{ id: newSetId(now, asked.kind, runtime.random(4)), createdAt: now.toISOString(), ...asked },
      ...(cluster !== undefined && { cluster }),
    };
    this.#mayWrite();
    this.#making.add(request.id);
    try {
      await putOperationFile(repository, request.id, 'request.json', request);
      return request;
    } catch (thrown) {
      // Its answer may have been lost. The next leader looks as well, should this process not get to it.
      const options = { runtime, mayWrite: () => this.#mayWrite(), signal: this.#closed.signal };
      void withdrawRequest(repository, request, asHoldfastError(thrown), options)
        .catch(() => {})
        .finally(() => this.#making.delete(request.id));
      throw thrown;
    }
  }

  #enqueue(request: OperationRequest, work: Work, lane: string | undefined, earlier?: Earlier): Operation {
    const job = newJob(request, work, lane, earlier);
    this.#jobs.set(request.id, job);
    this.#making.delete(request.id);
    this.#tell('changed', job);
    // What comes after a drain has begun would never be looked at again.
    if (this.#draining !== undefined) this.#stop(job, interrupted(`the service was ${this.#draining} before it began`));
    this.#queue.add(job);
    return operationOf(job);
  }

  async #run(job: Job): Promise<void> {
    const { repository, runtime, settle } = this.#options;
    const { id } = job.request;
    const [mayWrite, signal] = [() => this.#mayWrite(), this.#closed.signal];
    const log = openJobLog({ repository, id, runtime, mayWrite, signal, parts: job.earlier?.logParts ?? 0 });
    this.#logs.set(id, log);
    try {
      await runJob(job, log, { repository, runtime, mayWrite, settle, closed: signal, tell: (type, one) => this.#tell(type, one) });
      this.#archive.remember(operationOf(job));
    } catch {
      // Whoever leads next finds the operation unfinished, and says so.
    } finally {
      this.#jobs.delete(id);
      this.#logs.delete(id);
      job.done.resolve();
    }
  }

  async get(id: string, signal?: AbortSignal): Promise<Operation | undefined> {
    const job = this.#jobs.get(id);
    return job === undefined ? this.#archive.get(id, signal) : operationOf(job);
  }

  async list(query: OperationsQuery, signal?: AbortSignal): Promise<readonly Operation[]> {
    const found: Operation[] = [];
    if (query.limit < 1) return found;
    const ids = await this.#archive.ids(this.#jobs.keys(), { anew: query.unended, signal });
    const filtered = query.phase !== undefined || query.unended === true || query.matches !== undefined;
    const ahead = filtered ? readsAhead : Math.min(readsAhead, query.limit);
    for await (const operation of mapAhead(this.#candidates(ids, query), ahead, id => this.#readable(id, signal))) {
      if (operation === undefined || (query.phase !== undefined && operation.phase !== query.phase)) continue;
      if (query.unended === true && isEnded(operation.phase)) continue;
      if (query.matches?.(operation) ?? true) found.push(operation);
      if (found.length >= query.limit) break;
    }
    return found;
  }

  async *#candidates(ids: readonly string[], { after, kind, phase, unended }: OperationsQuery): AsyncGenerator<string> {
    for (const id of ids.toReversed()) {
      if (after !== undefined && id >= after) continue;
      if (kind !== undefined && ![kind].flat().some(one => id.includes(`-${one}-`))) continue;
      const ended = this.#jobs.has(id) ? undefined : this.#archive.endedAs(id);
      if (ended === undefined || (unended !== true && (phase === undefined || ended === phase))) yield id;
    }
  }

  /** A record that cannot be read hides no other one from a list. */
  async #readable(id: string, signal: AbortSignal | undefined): Promise<Operation | undefined> {
    try {
      return await this.get(id, signal);
    } catch (thrown) {
      if (damageOf(thrown) === undefined) throw thrown;
      return undefined;
    }
  }

  async log(id: string, query: { readonly from: number; readonly limit: number }, signal?: AbortSignal): Promise<OperationLogLine[]> {
    if ((await this.get(id, signal)) === undefined) throw notFound(id);
    return this.#archive.log(id, query, this.#logs.get(id)?.snapshot(), signal);
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
      isOurs: id => this.#jobs.has(id) || this.#making.has(id),
      isForeign: request => this.#isForeign(request),
      mayWrite: () => this.#mayWrite(),
      start: (request, { work, lane }, earlier) => void this.#enqueue(request, work, lane, earlier),
      resume: this.#draining === undefined ? resume : undefined,
      settle: this.#options.settle,
      signal: this.#closed.signal,
    });
  }

  async abandon(why: HoldfastError): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const job of jobs) this.#stop(job, { phase: 'Interrupted', why });
    await this.#settle(jobs);
  }

  async drain(graceMs: number, why = 'stopped'): Promise<void> {
    this.#draining = why;
    for (const job of this.#queue.waiting()) this.#stop(job, interrupted(`the service was ${why} before it began`));
    const jobs = [...this.#jobs.values()];
    await this.#wait(jobs, graceMs);
    const seconds = Math.round(graceMs / 1000);
    for (const job of jobs) this.#stop(job, interrupted(`the service was ${why}, and it had not ended ${seconds} s later`));
    await this.#settle(jobs);
    // A store that is away gets no result any more; the next leader writes one.
    this.#closed.abort(new HoldfastError('SHUTTING_DOWN', `the service is being ${why}`));
    await Promise.all(jobs.map(job => job.done.promise));
  }

  async expire(before: Date, signal?: AbortSignal): Promise<number> {
    const options = {
      ...{ mayWrite: () => this.#mayWrite(), isOurs: (id: string) => this.#jobs.has(id) },
      isForeign: (request: OperationRequest) => this.#isForeign(request),
    };
    return this.#archive.expire(before, options, signal);
  }

  /** Of a service of another cluster, which is at work with it, or was lost. */
  #isForeign({ cluster }: OperationRequest): boolean {
    const own = this.#options.cluster?.();
    return own !== undefined && cluster !== undefined && !isSameCluster(own, cluster);
  }

  #stop(job: Job, stop: Stop): void {
    if (job.result !== undefined) return;
    job.stop ??= stop;
    job.controller.abort(job.stop.why);
    // One that waits has nothing to stop, and must not keep anybody waiting.
    if (this.#queue.remove(job)) void this.#run(job);
  }

  /** Waits until jobs that were stopped have ended, and no longer for those whose work does not listen. */
  async #settle(jobs: readonly Job[]): Promise<void> {
    await this.#wait(jobs, settleMs);
    for (const job of jobs) job.over.abort(job.stop?.why);
    await this.#wait(jobs, settleMs);
  }

  async #wait(jobs: readonly Job[], ms: number): Promise<void> {
    const waited = new AbortController();
    const pause = this.#options.runtime.sleep(ms, waited.signal).catch(() => {});
    await Promise.race([Promise.all(jobs.map(job => job.done.promise)), pause]);
    waited.abort();
  }

  #mayWrite(): void {
    const fence = this.#options.fence();
    if (fence === undefined) throw new HoldfastError('NOT_LEADER', 'another replica of the service leads');
    fence.check();
  }

  #tell(type: 'changed' | 'progress', job: Job): void {
    const operation = operationOf(job);
    for (const listener of this.#listeners) {
      try {
        listener(type, operation);
      } catch {
        // Whoever looks on must not break what it looks at.
      }
    }
  }
}

function interrupted(message: string): Stop {
  return { phase: 'Interrupted', why: new HoldfastError('INTERRUPTED', message) };
}

function notFound(id: string): HoldfastError {
  return new HoldfastError('OPERATION_NOT_FOUND', `there is no operation ${id}`);
}
