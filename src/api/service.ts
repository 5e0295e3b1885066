import type { IndexEntry, Manifest } from '../domain/backup-set.ts';
import type { ClaimPlace, ClaimRequest } from '../domain/claim-request.ts';
import type { ErrorCode, HoldfastError } from '../domain/errors.ts';
import type { LedgerAction, LedgerEntry } from '../domain/ledger.ts';
import type { NamespaceScope } from '../domain/namespace-scope.ts';
import type { Actor, Operation, OperationKind, OperationLogLine, OperationPhase } from '../domain/operation.ts';
import type { Policy, VolumeCapture } from '../domain/policy.ts';
import type { RestoreOptions, RestorePlan } from '../domain/restore-plan.ts';
import type { Selection } from '../domain/selection.ts';
import type { VolumeFile } from '../domain/volume-file.ts';
import type { VolumeSizes } from '../domain/volume-sizes.ts';
import type { OrphansFound, RemovedOrphan } from '../domain/volume-upkeep.ts';
import type { SetSummary } from '../repository/catalog.ts';
import type { Hold } from '../repository/holds.ts';
import type { LedgerHead } from '../repository/ledger.ts';
import type { LedgerReport } from '../repository/ledger-verify.ts';
import type { ManifestSignature } from '../repository/manifest.ts';
import type { DeletionPlan } from '../schedule/deletion-plan.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import type { RetentionPlan } from '../schedule/retention.ts';
import type { IdentitySource } from './identity.ts';

export type { Hold, ObjectiveStatus, RetentionPlan };

/** On whose behalf a call is made. */
export interface Caller {
  readonly actor: Actor;
  /** What the caller is restricted to; absent for the whole cluster. */
  readonly namespaces?: NamespaceScope;
}

/** One page, newest first. */
export interface PageQuery {
  /** At least 1. */
  readonly limit: number;
  /** Only what comes after (is older than) the item of this id, which need not exist any more. */
  readonly after?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The id to give as `after` for what follows; absent on the last page. */
  readonly next?: string;
}

export interface BackupQuery extends PageQuery {
  readonly tier?: string;
  readonly phase?: SetSummary['phase'];
  /** Sets that are the result of one of this policy’s scheduled runs. */
  readonly policy?: string;
  /** Only sets whose selection reaches this scope. */
  readonly within?: NamespaceScope;
}

/** Which sets a text may mean that names none by its whole id. */
export interface SetRef {
  /** An id, the beginning of one, `latest`, a day or a time. */
  readonly set: string;
  /** Whose sets, where a repository has those of several clusters: `own` is that of the service, otherwise a UID, the beginning of one, or an address. */
  readonly cluster?: string;
}

export interface BackupChoice extends Pick<SetRef, 'cluster'> {
  readonly within?: NamespaceScope;
  /** What `latest` must hold, default everything. */
  readonly wanted?: Selection;
}

export interface ObjectQuery extends Pick<SetRef, 'cluster'> {
  readonly from: number;
  readonly limit: number;
  readonly within?: NamespaceScope;
}

/** All about one set. */
export interface BackupDetails {
  readonly summary: Exclude<SetSummary, { phase: 'Unreadable' }>;
  readonly manifest: Manifest;
  readonly signature: ManifestSignature;
  readonly hold?: Hold;
  /** When retention will let it go, and the rules that keep it until then; absent while nothing is known about it. */
  readonly retention?: { readonly expiresAt?: string; readonly reasons: readonly string[] };
}

export interface Backups {
  /** A damaged set is listed as `Unreadable`. STORE_ and REPO_ codes. */
  list(query: BackupQuery, signal: AbortSignal): Promise<Page<SetSummary>>;
  /** `set` as in `SetRef`, of the sets that reach the scope `within`; of those the newest that holds what is `wanted`. BACKUP_NOT_FOUND, BACKUP_AMBIGUOUS, BACKUP_CORRUPT, SIGNATURE_INVALID. */
  get(set: string, choice: BackupChoice, signal: AbortSignal): Promise<BackupDetails>;
  /** Its index from the `from`-th object on (0 is the first), at most `limit`; `within` counts only those in these namespaces. As `get`; IDENTITY_MISSING. */
  objects(set: string, query: ObjectQuery, signal: AbortSignal): Promise<readonly IndexEntry[]>;
}

/** What a restore works on. */
export interface RestoreRequest extends SetRef {
  readonly options: RestoreOptions;
  readonly identity?: IdentitySource;
}

/** What a long-running job is to do. Selections are complete, and within the caller’s namespaces where it is restricted to some. */
export type Work =
  /** Without a selection, or a word about volumes, those of the policy’s tier. POLICY_NOT_FOUND. */
  | {
      readonly kind: 'backup';
      readonly policy?: string;
      readonly tier?: string;
      readonly selection?: Selection;
      readonly volumes?: VolumeCapture;
    }
  /** `dryRun`: plan it, apply nothing; `validate`: compare with the set afterwards. */
  | ({ readonly kind: 'restore'; readonly dryRun: boolean; readonly validate: boolean } & RestoreRequest)
  /** One claim; an operation of kind `restore`. */
  | ({ readonly kind: 'volume-restore'; readonly request: ClaimRequest; readonly identity?: IdentitySource } & SetRef)
  /** `set` may be `all`. Without an identity only what lies sealed is checked. */
  | ({ readonly kind: 'verify'; readonly identity?: IdentitySource } & SetRef)
  | ({
      readonly kind: 'validate';
      readonly selection: Selection;
      readonly namespaceMapping: Readonly<Record<string, string>>;
      readonly storageClasses?: Readonly<Record<string, string>>;
      readonly volumeSizes?: VolumeSizes;
      /** Also run something small on the platform. */
      readonly platform: boolean;
      readonly identity?: IdentitySource;
    } & SetRef)
  /** Deletes what the plan with this digest says, or nothing: PLAN_CHANGED. `beyondLimit` lifts the share that one run may delete. */
  | { readonly kind: 'retention'; readonly plan: string; readonly beyondLimit: boolean }
  /** One set, by its full id. BACKUP_HELD, BACKUP_IN_USE, BACKUP_NEEDED. */
  | { readonly kind: 'delete'; readonly set: string; readonly reason?: string };

/** SHA-256, lower-case hex: of the key together with who sent it and where to, and of the request’s body without its identity. */
export interface Idempotency {
  readonly key: string;
  readonly body: string;
}

export interface OperationQuery extends PageQuery {
  readonly kind?: OperationKind;
  readonly phase?: OperationPhase;
  /** Only operations of callers who were restricted to nothing outside this scope. */
  readonly within?: NamespaceScope;
}

export interface Operations {
  /**
   * Records the work durably, then starts it; it runs on when the caller is gone. With an idempotency key that was used within 24 hours it
   * answers with the operation of then, or with IDEMPOTENCY_MISMATCH when the body was another. Takes over the identity: it is wiped when the
   * operation has ended, and at once when this throws or nothing new was started. BACKUP_NOT_FOUND, IDENTITY_MISSING, KEY_INVALID, …
   */
  start(work: Work, caller: Caller, options: { readonly idempotency?: Idempotency; readonly signal: AbortSignal }): Promise<Operation>;
  list(query: OperationQuery, signal: AbortSignal): Promise<Page<Operation>>;
  /** Undefined when there is none. */
  get(id: string, signal: AbortSignal): Promise<Operation | undefined>;
  /** From the `from`-th line on (0 is the first), oldest first, at most `limit`. */
  log(id: string, query: { readonly from: number; readonly limit: number }, signal: AbortSignal): Promise<readonly OperationLogLine[]>;
  /** Asks it to stop, and returns at once. Asking twice is asking once. OPERATION_NOT_FOUND, OPERATION_ENDED. */
  cancel(id: string, caller: Caller, signal: AbortSignal): Promise<Operation>;
}

/** A folder of a backed-up volume, of which at most so many entries are asked for. */
export interface FilesRequest extends SetRef {
  readonly claim: ClaimPlace;
  readonly path: string;
  readonly recursive: boolean;
  /** So many are passed over; their order is always the same. */
  readonly from: number;
  readonly most: number;
  readonly within?: NamespaceScope;
  readonly identity?: IdentitySource;
}

export interface Volumes {
  /** The identity stays the caller’s, who wipes it. BACKUP_, VOLUME_, IDENTITY_ and STORE_ codes. */
  files(request: FilesRequest, signal: AbortSignal): Promise<readonly VolumeFile[]>;
  orphans(olderThanMs: number, signal: AbortSignal): Promise<OrphansFound>;
  /** Looks for them anew. NOT_LEADER. */
  removeOrphans(
    olderThanMs: number,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<{ readonly removed: readonly RemovedOrphan[]; readonly notices: readonly string[] }>;
}

export interface Retention {
  /** Changes nothing. */
  plan(signal: AbortSignal): Promise<RetentionPlan>;
  /** What would go with one set, by its full id, and why it may not; `without`: sets that go before it. Changes nothing. BACKUP_NOT_FOUND. */
  planDeletion(set: string, without: readonly string[], signal: AbortSignal): Promise<DeletionPlan>;
  holds(signal: AbortSignal): Promise<readonly Hold[]>;
  /** Holding twice keeps the first reason. BACKUP_NOT_FOUND. */
  hold(set: SetRef, reason: string, caller: Caller, signal: AbortSignal): Promise<Hold>;
  /** HOLD_NOT_FOUND. */
  release(set: SetRef, reason: string, caller: Caller, signal: AbortSignal): Promise<void>;
}

/** What happened, as event streams tell it. `data` is JSON, as the resource’s own route would show it, and never a secret. */
export interface ServiceEvent {
  /** `operation.progress` may be left out for slow readers; all others are delivered or the stream is reset. */
  readonly type: 'operation.changed' | 'operation.progress' | 'backup.changed' | 'objective.changed' | 'service.changed';
  /** RFC 3339, UTC. */
  readonly at: string;
  /** Who may see it: absent for callers of the whole cluster only. */
  readonly namespaces?: readonly string[];
  readonly operation?: Operation;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A request that was turned away, for the ledger. `count` above 1 sums up repetitions. */
export interface Refusal {
  readonly actor: Actor;
  /** `POST /api/v1/restores`. */
  readonly request: string;
  readonly code: 'REQUEST_UNAUTHENTICATED' | 'REQUEST_FORBIDDEN';
  readonly reason: string;
  readonly count: number;
}

/** What is said of a part besides its name tells no stranger where anything lies. */
export interface Readiness {
  readonly name: string;
  readonly ok: boolean;
  /** Why not. */
  readonly code?: ErrorCode;
  /** Since when not. RFC 3339, UTC, as is what follows. */
  readonly since?: string;
  /** When it is tried again; absent while it is being tried. */
  readonly retryAt?: string;
}

/**
 * What the API needs of the service behind it. Every method may be called at any time from many requests at once, ends soon after its signal
 * aborts, and rejects with a HoldfastError, whose row in the error table is what the client gets to see.
 */
export interface Service {
  readonly version: string;
  readonly backups: Backups;
  readonly operations: Operations;
  readonly retention: Retention;
  readonly volumes: Volumes;
  /** What a restore would do, and nothing written. The identity stays the caller’s, who wipes it. CLUSTER_, STORE_, IDENTITY_ codes. */
  planRestore(request: RestoreRequest, caller: Caller, signal: AbortSignal): Promise<RestorePlan>;
  policies(): readonly Policy[];
  objectives(signal: AbortSignal): Promise<readonly ObjectiveStatus[]>;
  /** Newest first; ids are sequence numbers as text. */
  ledger(query: PageQuery & { readonly action?: LedgerAction }, signal: AbortSignal): Promise<Page<LedgerEntry>>;
  /** Follows the chain to its end. `expected`: a head that was kept elsewhere, and must still be in it. */
  verifyLedger(expected: LedgerHead | undefined, signal: AbortSignal): Promise<LedgerReport>;
  /** Calls the listener, which never throws and returns at once, with every event until the returned function is called. */
  subscribe(listener: (event: ServiceEvent) => void): () => void;
  /** Must not throw, nor wait. */
  refused(refusal: Refusal): void;
  /** Every part that must work for the service to be of use; cheap enough to be asked every second. */
  readiness(): readonly Readiness[];
  /** Where this is there, every request ends with it, once it is known who makes it; nothing is asked of the service then. */
  closed?(): HoldfastError;
}
