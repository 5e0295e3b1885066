import type { ClusterIdentity } from './cluster-identity.ts';
import type { ErrorCode } from './errors.ts';
import type { ProgressEvent } from './runtime.ts';

/** A long-running job of the service. */
export const operationKinds = ['backup', 'restore', 'verify', 'validate', 'retention', 'delete'] as const;
export type OperationKind = (typeof operationKinds)[number];

/**
 * `Interrupted`: its process ended, or lost the lead, before it was finished; it was not resumed, and never counts as Completed.
 * Only forwards: Pending → Running → one of the ended phases.
 */
export const operationPhases = ['Pending', 'Running', 'Completed', 'PartiallyFailed', 'Failed', 'Cancelled', 'Interrupted'] as const;
export type OperationPhase = (typeof operationPhases)[number];
export type EndedPhase = Exclude<OperationPhase, 'Pending' | 'Running'>;

export function isEnded(phase: OperationPhase): phase is EndedPhase {
  return phase !== 'Pending' && phase !== 'Running';
}

/** Who asked: a user as the API authenticated them, or the service itself. */
export interface Actor {
  /** `system:serviceaccount:ops:ci`, `alice@example.org`, `schedule`. */
  readonly name: string;
  readonly via: 'schedule' | 'api' | 'cli' | 'service';
}

/** What was asked for, as it is kept: never a credential, an identity or another secret. */
export interface OperationRequest {
  /** `20261123T020000Z-backup-k3f9`: sorts by time. */
  readonly id: string;
  readonly kind: OperationKind;
  /** What it is about, for people: a tier, a set id, a policy. */
  readonly subject: string;
  readonly actor: Actor;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  /** The request's own fields, JSON. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Namespaces that the actor was restricted to; absent for the whole cluster. */
  readonly namespaces?: readonly string[];
  /** Whose service it is an operation of; absent where that was not known, and in records of older versions. */
  readonly cluster?: ClusterIdentity;
  /** SHA-256 of the Idempotency-Key and of the body that came with it. */
  readonly idempotency?: { readonly key: string; readonly body: string };
}

/** How it ended. */
export interface OperationResult {
  readonly id: string;
  readonly phase: EndedPhase;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** JSON: counts, the id of the set, the failed items. */
  readonly summary: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly hint: string };
}

/** An operation as it stands now. */
export interface Operation {
  readonly request: OperationRequest;
  readonly phase: OperationPhase;
  /** RFC 3339, UTC; absent while Pending. */
  readonly startedAt?: string;
  /** The last one, while it runs. */
  readonly progress?: ProgressEvent;
  readonly result?: OperationResult;
}

/** One line of an operation's log. */
export interface OperationLogLine {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
}
