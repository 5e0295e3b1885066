import type { HoldfastError } from '../domain/errors.ts';
import type {
  Actor,
  EndedPhase,
  Operation,
  OperationKind,
  OperationLogLine,
  OperationPhase,
  OperationRequest,
  OperationResult,
} from '../domain/operation.ts';
import type { Progress, ProgressEvent } from '../domain/runtime.ts';

/** A request for a job, without what the engine adds. */
export interface Submission {
  readonly kind: OperationKind;
  readonly subject: string;
  readonly actor: Actor;
  /** Kept as it is: no secret may be in it. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly namespaces?: readonly string[];
  readonly idempotency?: { readonly key: string; readonly body: string };
  /** Jobs of one lane run one after the other. */
  readonly lane?: string;
}

export interface WorkContext {
  readonly operation: OperationRequest;
  /** Aborted by a cancellation, by the end of the service and by the loss of the lead. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Never a secret. */
  readonly log: (level: OperationLogLine['level'], message: string) => void;
}

export interface WorkResult {
  readonly phase: Extract<EndedPhase, 'Completed' | 'PartiallyFailed' | 'Failed'>;
  readonly summary: Readonly<Record<string, unknown>>;
  readonly error?: NonNullable<OperationResult['error']>;
}

/** What is thrown ends the job as Failed, or as Cancelled or Interrupted where that was asked for. */
export type Work = (context: WorkContext) => Promise<WorkResult>;

/** Why a job is being stopped, and what it becomes then. */
export interface Stop {
  readonly phase: 'Cancelled' | 'Interrupted';
  readonly why: HoldfastError;
}

/** What is there of a job that another process began. */
export interface Earlier {
  /** RFC 3339, UTC; absent where it was only recorded. */
  readonly startedAt?: string;
  readonly logParts: number;
  /** How often it was taken up again. */
  readonly resumes: number;
}

/** A job of this process. */
export interface Job {
  readonly request: OperationRequest;
  readonly work: Work;
  readonly lane: string | undefined;
  readonly earlier: Earlier | undefined;
  readonly controller: AbortController;
  /** Aborted when nobody waits for the work any more: it was told to stop, and did not. */
  readonly over: AbortController;
  phase: OperationPhase;
  startedAt: string | undefined;
  progress: ProgressEvent | undefined;
  result: OperationResult | undefined;
  stop: Stop | undefined;
  /** Settles when its result is durable, or when it is certain that this process will not make it so. */
  readonly done: PromiseWithResolvers<void>;
}

export function newJob(request: OperationRequest, work: Work, lane: string | undefined, earlier: Earlier | undefined): Job {
  return {
    ...{ request, work, lane, earlier, phase: 'Pending', controller: new AbortController(), over: new AbortController() },
    ...{ done: Promise.withResolvers<void>(), startedAt: undefined, progress: undefined, result: undefined, stop: undefined },
  };
}

/** The job as others see it. */
export function operationOf({ request, phase, startedAt, progress, result }: Job): Operation {
  return {
    request,
    phase,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(progress === undefined || phase !== 'Running' ? {} : { progress }),
    ...(result === undefined ? {} : { result }),
  };
}
