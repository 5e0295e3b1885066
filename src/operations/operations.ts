import type { ClusterIdentity } from '../domain/cluster-identity.ts';
import type { HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import type { Actor, Operation, OperationKind, OperationLogLine, OperationPhase } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { Repository } from '../repository/repository.ts';
import { Engine } from './engine.ts';
import type { Submission, Work } from './job.ts';
import type { Recovered, Resumer, Settler } from './recover.ts';

export interface OperationsOptions {
  readonly repository: Repository;
  readonly runtime: Runtime;
  /** Jobs that run at once. */
  readonly most: number;
  /** Of the current term; undefined while another replica leads. */
  readonly fence: () => Fence | undefined;
  /** Asked of what was left unfinished, and of what was stopped. */
  readonly settle?: Settler | undefined;
  /** Whose operations these are: those of another cluster in the same repository are left to it. Undefined while it is not known. */
  readonly cluster?: (() => ClusterIdentity | undefined) | undefined;
}

export interface OperationsQuery {
  /** One, or any of several. */
  readonly kind?: OperationKind | readonly OperationKind[];
  readonly phase?: OperationPhase;
  /** Only what has not ended, also what another process began just before: the repository is looked at anew. */
  readonly unended?: boolean;
  /** Only what is older than this one. */
  readonly after?: string;
  readonly limit: number;
  readonly matches?: (operation: Operation) => boolean;
}

export type OperationListener = (type: 'changed' | 'progress', operation: Operation) => void;

/** The long-running jobs of the service, and the durable records of all that ever ran. */
export interface Operations {
  /** Durable when it resolves. NOT_LEADER, SHUTTING_DOWN, IDEMPOTENCY_MISMATCH, STORE_ codes. `isNew` is false where the key was used before. */
  submit(submission: Submission, work: Work): Promise<{ readonly operation: Operation; readonly isNew: boolean }>;
  /** The operation that was asked for with this key before. IDEMPOTENCY_MISMATCH. */
  known(idempotency: NonNullable<Submission['idempotency']>): Promise<Operation | undefined>;
  get(id: string, signal?: AbortSignal): Promise<Operation | undefined>;
  /** Newest first, at most `limit`. One whose request cannot be read is left out; `recover` names those that have not ended. */
  list(query: OperationsQuery, signal?: AbortSignal): Promise<readonly Operation[]>;
  /** From line `from` on, 0 being the first. */
  log(id: string, query: { readonly from: number; readonly limit: number }, signal?: AbortSignal): Promise<readonly OperationLogLine[]>;
  /** Asks it to stop; it ends as Completed where it had done its work by then. OPERATION_NOT_FOUND, OPERATION_ENDED; NOT_LEADER when it runs elsewhere. */
  cancel(id: string, actor: Actor): Promise<Operation>;
  /** Resolves when the operation has ended, with how. OPERATION_NOT_FOUND for one that does not run here. */
  ended(id: string): Promise<Operation>;
  /** Jobs of this process that wait or run. */
  active(): readonly Operation[];
  /** What the listener throws is passed over. */
  subscribe(listener: OperationListener): () => void;
  /**
   * What other processes of the same cluster left unfinished is taken up again, gets the result that it had earned, or is marked Interrupted. To be called at the start of a term, again after a STORE_
   * error, and at any time later: what is asked for meanwhile is left alone.
   */
  recover(resume?: Resumer): Promise<Recovered>;
  /** The term is over: what runs is stopped, and its records are left to the next leader. Bounded, also where work does not listen. */
  abandon(why: HoldfastError): Promise<void>;
  /** The service ends, or its world does: nothing new is taken, what runs has `graceMs` and is then stopped and marked Interrupted. Bounded. */
  drain(graceMs: number, why?: 'stopped' | 'opened anew'): Promise<void>;
  /** Deletes records of operations that were made before and have ended; of another cluster’s those that are a quarter of a year older, however they stand. */
  expire(before: Date, signal?: AbortSignal): Promise<number>;
}

/** Reads and writes nothing until it is asked to. */
export function createOperations(options: OperationsOptions): Operations {
  return new Engine(options);
}
