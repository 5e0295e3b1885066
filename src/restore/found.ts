import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { ClusterOwnedOptions } from '../domain/cluster-owned.ts';
import { isCode } from '../domain/errors.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import { type LiveRecord, liveRecord, objectsIn } from '../domain/live-record.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import { fieldManagers, isUnfinished, soleApplier } from './managers.ts';

/** A live object, and what only a restore asks about it. */
export interface Found extends LiveRecord {
  /** An interrupted restore has not given the fields back to their managers yet. */
  readonly unfinished: boolean;
  /** The only one who wrote it, when he did so by server-side apply. */
  readonly applier: string;
}

/** The objects of the target's kinds, each as a record of some hundred bytes. */
export class LiveObjects {
  readonly #records = new Map<string, Found>();

  get(kind: { readonly group: string; readonly resource: string }, namespace: string, name: string): Found | undefined {
    return this.#records.get(keyOf(kind, namespace, name));
  }

  set(kind: { readonly group: string; readonly resource: string }, namespace: string, name: string, found: Found): void {
    this.#records.set(keyOf(kind, namespace, name), found);
  }

  /** The namespace is gone, and all in it. */
  forgetNamespace(name: string): void {
    this.#records.delete(keyOf({ group: '', resource: 'namespaces' }, '', name));
    for (const key of this.#records.keys()) if (key.split('/')[1] === name) this.#records.delete(key);
  }
}

function keyOf(kind: { readonly group: string; readonly resource: string }, namespace: string, name: string): string {
  return `${kindName(kind)}/${namespace}/${name}`;
}

/** `object` is taken apart. */
export function foundObject(kind: ResourceKind, object: JsonObject, options: ClusterOwnedOptions): Found {
  const managers = fieldManagers(object);
  const record = liveRecord(kind, object, options);
  return { ...record, unfinished: record.marked || isUnfinished(managers), applier: soleApplier(managers)?.manager ?? '' };
}

export interface LiveOptions extends ClusterOwnedOptions {
  readonly signal?: AbortSignal;
  /** List only these, where the restore is about few; empty for all. */
  readonly namespaces: readonly string[];
}

const listsAtOnce = 4;

/** Lists every kind once and remembers what is there. A kind that is not served has no objects. */
export async function readLive(
  cluster: ClusterApi,
  kinds: readonly ResourceKind[],
  into: LiveObjects,
  options: LiveOptions,
): Promise<void> {
  const calls = kinds.flatMap(kind =>
    kind.namespaced && options.namespaces.length > 0
      ? options.namespaces.map(namespace => ({ kind, namespace }))
      : [{ kind, namespace: '' }],
  );
  const queue = calls.values();
  const worker = async (): Promise<void> => {
    for (const { kind, namespace } of queue) await readKind(cluster, kind, namespace, into, options);
  };
  await Promise.all(Array.from({ length: listsAtOnce }, worker));
}

async function readKind(
  cluster: ClusterApi,
  kind: ResourceKind,
  namespace: string,
  into: LiveObjects,
  options: LiveOptions,
): Promise<void> {
  try {
    await cluster.list(
      kind,
      batch => {
        for (const object of objectsIn(batch)) {
          const place = stringAt(object, 'metadata', 'namespace') ?? '';
          const name = stringAt(object, 'metadata', 'name') ?? '';
          into.set(kind, place, name, foundObject(kind, object, options));
        }
      },
      { ...(options.signal && { signal: options.signal }), ...(namespace !== '' && { namespace }) },
    );
  } catch (thrown) {
    if (!isCode(thrown, 'CLUSTER_NOT_FOUND')) throw thrown;
  }
}
