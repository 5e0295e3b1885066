import type { ErrorCode } from './errors.ts';
import type { Fire, Part } from './policy.ts';
import type { ObjectRef } from './resource.ts';
import type { Selection } from './selection.ts';
import type { VolumeRecord } from './volume.ts';

/** `Failed` never has a manifest: a set that exists is Completed or PartiallyFailed. */
export type BackupPhase = 'Completed' | 'PartiallyFailed' | 'Failed';

/** How the kinds of a set relate in time: all at one etcd revision, or each consistent by itself. */
export type Consistency = 'instant' | 'per-kind';

/** What was read of one kind. A kind with `error` was not captured in full and makes the set PartiallyFailed. */
export interface KindRecord {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Objects in the set. */
  readonly count: number;
  /** Bytes of their JSON. */
  readonly bytes: number;
  /** The revision the kind was read at; for `instant` kinds the set's own. Empty when it could not be read. */
  readonly revision: string;
  /** `per-kind` for aggregated APIs and others whose revisions are their own. */
  readonly consistency: Consistency;
  /** The reading that counts, where it is not the first; index lines of other attempts are not part of the set. */
  readonly attempt?: number;
  readonly error?: ItemFailure;
}

export interface ItemFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

/** One thing that could not be captured: a kind, an API group, an object or a volume claim. */
export interface ItemProblem extends ItemFailure {
  /** `workflows.argoproj.io`, `metrics.k8s.io/v1beta1`, `configmaps agents/settings`, `persistentvolumeclaims agents/workspace`. */
  readonly item: string;
}

/** A kind, or a number of objects, left out on purpose. */
export interface Exclusion {
  /** Kind or pattern. */
  readonly what: string;
  readonly reason: string;
  /** Objects left out, where they were counted. */
  readonly count?: number;
}

export type ShardClass = 'resources' | 'secrets';

/** One sealed archive file. Offsets within are not recorded: a shard is small and read whole. */
export interface ShardRecord {
  /** Key below the set: `resources-0001.tar.zst.age`. */
  readonly name: string;
  readonly class: ShardClass;
  /** Sealed size in bytes. */
  readonly bytes: number;
  /** Uncompressed tar size in bytes. */
  readonly tarBytes: number;
  readonly entries: number;
  /** SHA-256 of the sealed bytes, lower-case hex. */
  readonly sha256: string;
}

export interface IndexRecord {
  readonly name: string;
  readonly bytes: number;
  readonly lines: number;
  readonly sha256: string;
}

/**
 * One line of the index: what planning needs, never contents. Lines are in archive order. A line with `fix` is a late change: it replaces
 * every earlier line of the same object, and with `gone` takes it away (deleted between its kind's list and the set's revision).
 */
export interface IndexEntry {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** UIDs of the owners, when there are any. */
  readonly owners?: readonly string[];
  /** `sha256:<hex>` of the object's JSON bytes; for Secrets `hmac-sha256:<hex>` under the set's sealed digest key. */
  readonly digest: string;
  /** Bytes of JSON. */
  readonly size: number;
  /** Name of the shard it lies in. */
  readonly shard: string;
  /** The reading of its kind that it belongs to, where that was not the first: a kind is read anew when its list broke off. */
  readonly attempt?: number;
  /** A late change: replaces any earlier line of the same object. */
  readonly fix?: true;
  /** With `fix`: the object is not part of the set. */
  readonly gone?: true;
}

/** A part that the tier asks for, and whether this set has it. */
export interface PartRecord {
  readonly part: Part;
  readonly state: 'protected' | 'not-protected';
  /** Why not; empty when protected. */
  readonly reason: string;
}

/** The commit record of a set, written last and signed. */
export interface Manifest {
  readonly formatVersion: 1;
  readonly id: string;
  readonly repository: string;
  readonly phase: Exclude<BackupPhase, 'Failed'>;
  /** Free label of who asked: `daily`, `manual`. */
  readonly tier: string;
  /** The scheduled runs that this set is the result of: one set may stand for several tiers. The policy's name is in them. */
  readonly fires?: readonly Fire[];
  /** What the tier asks for, part by part. */
  readonly parts?: readonly PartRecord[];
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly producer: { readonly name: 'holdfast'; readonly version: string };
  readonly cluster: {
    /** UID of the kube-system namespace: the usual identity of a cluster. Empty when it cannot be read. */
    readonly uid: string;
    readonly version: string;
    readonly server: string;
  };
  readonly consistency: Consistency;
  /** The etcd revision of the instant, when `consistency` is `instant`. */
  readonly revision?: string;
  readonly selection: Selection;
  readonly kinds: readonly KindRecord[];
  readonly objects: number;
  /** Bytes of JSON of all objects. */
  readonly bytes: number;
  readonly excluded: readonly Exclusion[];
  readonly problems: readonly ItemProblem[];
  readonly volumes: readonly VolumeRecord[];
  readonly shards: readonly ShardRecord[];
  readonly index: readonly IndexRecord[];
  readonly encryption: {
    readonly scheme: 'age' | 'none';
    /** SHA-256 fingerprints of the recipients. */
    readonly recipients: readonly string[];
    readonly indexSealed: boolean;
  };
}

/**
 * What a finished backup tells its caller. A Failed one has an error and no manifest. `settleMs`: the part of the duration that the common
 * revision cost, after everything large was read.
 */
export type BackupOutcome =
  | { readonly phase: 'Completed' | 'PartiallyFailed'; readonly manifest: Manifest; readonly durationMs: number; readonly settleMs: number }
  | { readonly phase: 'Failed'; readonly id: string; readonly error: ItemFailure; readonly durationMs: number };

export type IndexKey = Pick<ObjectRef, 'group' | 'resource' | 'namespace' | 'name'>;

/** Identity of an object within a set, whatever its version. */
export function indexKey(entry: IndexKey): string {
  return `${entry.group}/${entry.resource}/${entry.namespace}/${entry.name}`;
}
