import pLimit from 'p-limit';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { isCode } from '../domain/errors.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import { objectsIn } from '../domain/live-record.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';

interface Kind {
  readonly group: string;
  readonly resource: string;
}

/** The objects of some of a cluster's kinds, each as a record of some hundred bytes. */
export class LiveObjects<T> {
  readonly #records = new Map<string, T>();

  get(kind: Kind, namespace: string, name: string): T | undefined {
    return this.#records.get(keyOf(kind, namespace, name));
  }

  set(kind: Kind, namespace: string, name: string, record: T): void {
    this.#records.set(keyOf(kind, namespace, name), record);
  }

  /** The namespace is gone, and all in it. */
  forgetNamespace(name: string): void {
    this.#records.delete(keyOf({ group: '', resource: 'namespaces' }, '', name));
    for (const key of this.#records.keys()) if (key.split('/')[1] === name) this.#records.delete(key);
  }
}

function keyOf(kind: Kind, namespace: string, name: string): string {
  return `${kindName(kind)}/${namespace}/${name}`;
}

export interface LiveReading<T> {
  /** Makes the record of an object, which it may take apart. */
  readonly record: (kind: ResourceKind, object: JsonObject) => T;
  readonly signal: AbortSignal;
  /** List only these, where few are asked about; all unless told, and where it is empty. */
  readonly namespaces?: readonly string[];
}

const listsAtOnce = 4;

/** Lists every kind once and remembers what is there. A kind that is not served has no objects. */
export async function readLive<T>(cluster: ClusterApi, kinds: readonly ResourceKind[], reading: LiveReading<T>): Promise<LiveObjects<T>> {
  const { namespaces = [] } = reading;
  const live = new LiveObjects<T>();
  const calls = kinds.flatMap(kind =>
    kind.namespaced && namespaces.length > 0 ? namespaces.map(namespace => ({ kind, namespace })) : [{ kind, namespace: '' }],
  );
  await pLimit(listsAtOnce).map(calls, ({ kind, namespace }) => readKind(cluster, kind, namespace, { live, reading }));
  return live;
}

async function readKind<T>(
  cluster: ClusterApi,
  kind: ResourceKind,
  namespace: string,
  { live, reading }: { readonly live: LiveObjects<T>; readonly reading: LiveReading<T> },
): Promise<void> {
  const { record, signal } = reading;
  try {
    await cluster.list(
      kind,
      batch => {
        for (const object of objectsIn(batch)) {
          const place = stringAt(object, 'metadata', 'namespace') ?? '';
          const name = stringAt(object, 'metadata', 'name') ?? '';
          live.set(kind, place, name, record(kind, object));
        }
      },
      { signal, ...(namespace !== '' && { namespace }) },
    );
  } catch (thrown) {
    if (!isCode(thrown, 'CLUSTER_NOT_FOUND')) throw thrown;
  }
}
