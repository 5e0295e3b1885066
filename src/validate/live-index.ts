import pLimit from 'p-limit';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { ClusterOwnedOptions } from '../domain/cluster-owned.ts';
import { isCode } from '../domain/errors.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import { type LiveRecord, liveRecord, objectsIn } from '../domain/live-record.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import { ownersOf } from '../domain/restore-policy.ts';

/** What a validation remembers of a live object: digests, and who its owners are. */
export interface IndexedObject extends LiveRecord {
  readonly ownerRefs: readonly JsonObject[];
}

/** The live objects of some kinds, a few hundred bytes each. */
export interface LiveIndex {
  find(kind: { readonly group: string; readonly resource: string }, namespace: string, name: string): IndexedObject | undefined;
  /** False only where the owner's kind was listed and nothing in it has that UID. */
  hasOwner(owner: JsonObject): boolean;
}

const listsAtOnce = 4;

/** Lists every kind once. A kind that is not served has no objects. */
export async function indexLive(
  cluster: ClusterApi,
  kinds: readonly ResourceKind[],
  options: ClusterOwnedOptions & { readonly signal: AbortSignal },
): Promise<LiveIndex> {
  const objects = new Map<string, IndexedObject>();
  const uids = new Set<string>();
  const key = (kind: { readonly group: string; readonly resource: string }, namespace: string, name: string): string =>
    `${kindName(kind)}/${namespace}/${name}`;
  const readKind = async (kind: ResourceKind): Promise<void> => {
    try {
      await cluster.list(
        kind,
        batch => {
          for (const object of objectsIn(batch)) {
            const place = key(kind, stringAt(object, 'metadata', 'namespace') ?? '', stringAt(object, 'metadata', 'name') ?? '');
            const ownerRefs = ownersOf(object);
            const record = liveRecord(kind, object, options);
            uids.add(record.uid);
            objects.set(place, { ...record, ownerRefs });
          }
        },
        { signal: options.signal },
      );
    } catch (thrown) {
      if (!isCode(thrown, 'CLUSTER_NOT_FOUND')) throw thrown;
    }
  };
  const listed = new Set(kinds.map(kind => `${kind.group}/${kind.kind}`));
  const hasOwner = (owner: JsonObject): boolean => {
    const version = stringAt(owner, 'apiVersion') ?? '';
    const group = version.includes('/') ? version.split('/')[0] : '';
    return uids.has(stringAt(owner, 'uid') ?? '') || !listed.has(`${group}/${stringAt(owner, 'kind')}`);
  };
  await pLimit(listsAtOnce).map(kinds, readKind);
  return { find: (kind, namespace, name) => objects.get(key(kind, namespace, name)), hasOwner };
}
