import type { ClusterOwnedOptions } from '../domain/cluster-owned.ts';
import type { JsonObject } from '../domain/json.ts';
import { type LiveRecord, liveRecord } from '../domain/live-record.ts';
import type { ResourceKind } from '../domain/resource.ts';
import { fieldManagers, isUnfinished, soleApplier } from './managers.ts';

/** A live object, and what only a restore asks about it. */
export interface Found extends LiveRecord {
  /** An interrupted restore has not given the fields back to their managers yet. */
  readonly unfinished: boolean;
  /** The only one who wrote it, when he did so by server-side apply. */
  readonly applier: string;
}

/** `object` is taken apart. */
export function foundObject(kind: ResourceKind, object: JsonObject, options: ClusterOwnedOptions): Found {
  const managers = fieldManagers(object);
  const record = liveRecord(kind, object, options);
  return { ...record, unfinished: record.marked || isUnfinished(managers), applier: soleApplier(managers)?.manager ?? '' };
}
