import type { ErrorCode } from './errors.ts';

/** What was done in one repository. */
export interface UpkeepItem {
  /** `volumes/agents/workspace/`. */
  readonly repository: string;
  /** restic snapshots that no set named any more. */
  readonly forgotten: number;
  /** The part that was read and found whole: `3/12`. */
  readonly checked?: string;
  /** The part that should have been read, and was not or is damaged: the next upkeep reads it again. */
  readonly unread?: string;
  /** `left`: its password is not here. */
  readonly state: 'done' | 'left' | 'failed';
  readonly reason: string;
  readonly code?: ErrorCode;
}

export interface UpkeepOutcome {
  /** Repositories in which there was something to do. */
  readonly items: readonly UpkeepItem[];
  readonly repositories: number;
  readonly notices: readonly string[];
}

/** What the upkeep before has left to this one. */
export interface UpkeepBefore {
  /** When it began. */
  readonly at: Date;
  /** Parts that it could not read or found damaged, by repository. */
  readonly unread: ReadonlyMap<string, string>;
}

/** An object around volumes that carries our labels. */
export interface OwnObject {
  /** `volumesnapshots.snapshot.storage.k8s.io`. */
  readonly kind: string;
  /** Empty for cluster-scoped ones. */
  readonly namespace: string;
  readonly name: string;
  /** What it is for: `snapshot`, `mover`, `upkeep`, `restore`, `repository`, `frozen`, `scaled`. */
  readonly role: string;
  /** The set or restore that it was made for. */
  readonly work: string;
  /** `<namespace>/<claim>`, of a note `<namespace>/<pod>`; empty where it does not say. */
  readonly claim: string;
  readonly createdAt: Date;
  /** A volume that is bound, a Job that has not ended. */
  readonly inUse: boolean;
}

/** Something that nobody needs any more. */
export interface Orphan extends Omit<OwnObject, 'createdAt' | 'inUse'> {
  /** Milliseconds. */
  readonly ageMs: number;
  readonly reason: string;
}

export interface OrphansFound {
  /** By kind, namespace and name. */
  readonly orphans: readonly Orphan[];
  readonly notices: readonly string[];
}

export interface RemovedOrphan {
  readonly orphan: Orphan;
  readonly removed: boolean;
  readonly reason: string;
  readonly code?: ErrorCode;
}
