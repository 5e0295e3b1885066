import type { ClusterApi } from '../cluster/cluster-api.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import { type LiveRecord, liveRecord } from '../domain/live-record.ts';
import type { ResourceKind } from '../domain/resource.ts';
import { ownersOf } from '../domain/restore-policy.ts';
import { type LiveObjects, readLive } from '../live/live-objects.ts';

/** What a validation remembers of a live object: digests, and who its owners are. */
export interface IndexedObject extends LiveRecord {
  readonly ownerRefs: readonly JsonObject[];
}

export interface LiveIndex {
  readonly objects: LiveObjects<IndexedObject>;
  /** False only where the owner's kind was listed and nothing in it has that UID. */
  hasOwner(owner: JsonObject): boolean;
}

export async function indexLive(cluster: ClusterApi, kinds: readonly ResourceKind[], signal: AbortSignal): Promise<LiveIndex> {
  const uids = new Set<string>();
  const record = (kind: ResourceKind, object: JsonObject): IndexedObject => {
    const ownerRefs = ownersOf(object);
    const found = liveRecord(kind, object);
    uids.add(found.uid);
    return { ...found, ownerRefs };
  };
  const objects = await readLive(cluster, kinds, { record, signal });
  const listed = new Set(kinds.map(kind => `${kind.group}/${kind.kind}`));
  const hasOwner = (owner: JsonObject): boolean => {
    const version = stringAt(owner, 'apiVersion') ?? '';
    const group = version.includes('/') ? version.split('/')[0] : '';
    return uids.has(stringAt(owner, 'uid') ?? '') || !listed.has(`${group}/${stringAt(owner, 'kind')}`);
  };
  return { objects, hasOwner };
}
