import type { ClusterApi, ItemBatch } from '../cluster/cluster-api.ts';
import { asHoldfastError, HoldfastError, isCode } from '../domain/errors.ts';
import { isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import { apiVersion, kindName, type ResourceKind } from '../domain/resource.ts';
import type { Runtime } from '../domain/runtime.ts';

/** Which objects of a kind; all where nothing is said. */
export interface Where {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Single objects of a cluster, parsed. Everything may be called twice; errors have CLUSTER_ codes. */
export interface Objects {
  /** Undefined when there is none. */
  read(kind: ResourceKind, namespace: string, name: string, signal: AbortSignal): Promise<JsonObject | undefined>;
  list(kind: ResourceKind, where: Where, signal: AbortSignal): Promise<JsonObject[]>;
  /** `apiVersion` and `kind` are put in. CLUSTER_CONFLICT when it exists. */
  create(kind: ResourceKind, object: object, signal: AbortSignal): Promise<JsonObject>;
  /** Creates what is not there; what is there stays as it is, and is returned. */
  ensure(kind: ResourceKind, object: object, signal: AbortSignal): Promise<JsonObject>;
  /** A merge patch; undefined when the object is gone. */
  merge(kind: ResourceKind, namespace: string, name: string, patch: object, signal: AbortSignal): Promise<JsonObject | undefined>;
  /** Deletes if it is there; what it owns follows in the background. */
  remove(kind: ResourceKind, namespace: string, name: string, signal: AbortSignal): Promise<void>;
  /**
   * Looks at the object now and at every change, by a watch, until `look` gives something or throws. Undefined once the time is up. An API server
   * that does not answer for a while is waited for.
   */
  waitFor<T>(
    kind: ResourceKind,
    namespace: string,
    name: string,
    look: (object: JsonObject | undefined) => T | undefined,
    options: WaitOptions,
  ): Promise<T | undefined>;
  /** The same for all objects that are meant, by `namespace/name`. */
  observe<T>(
    kind: ResourceKind,
    where: Where,
    look: (objects: ReadonlyMap<string, JsonObject>) => T | undefined,
    options: WaitOptions,
  ): Promise<T | undefined>;
}

/** API servers end a watch after half an hour or more; a shorter one notices sooner that its connection leads nowhere. */
const watchSeconds = 240;
const troubleMs = 1_000;

export function createObjects(cluster: ClusterApi, runtime: Pick<Runtime, 'sleep'>): Objects {
  const access: Objects = {
    read: async (kind, namespace, name, signal) => {
      const json = await cluster.get(kind, namespace, name, { signal });
      return json === undefined ? undefined : objectOf(json, kind);
    },
    list: async (kind, where, signal) => (await listAll(cluster, kind, where, signal)).objects,
    create: async (kind, object, signal) => {
      const body = JSON.stringify({ apiVersion: apiVersion(kind), kind: kind.kind, ...object });
      return objectOf(await cluster.create(kind, namespaceOf(object), body, { signal }), kind);
    },
    ensure: async (kind, object, signal) => {
      const { name } = (object as { metadata: { name: string } }).metadata;
      for (let attempt = 0; ; attempt += 1) {
        const there = await access.read(kind, namespaceOf(object), name, signal);
        if (there !== undefined) return there;
        try {
          return await access.create(kind, object, signal);
        } catch (thrown) {
          if (!isCode(thrown, 'CLUSTER_CONFLICT') || attempt === 3) throw thrown;
        }
      }
    },
    merge: async (kind, namespace, name, patch, signal) => {
      try {
        return objectOf(await cluster.patch(kind, namespace, name, { type: 'merge', body: JSON.stringify(patch) }, { signal }), kind);
      } catch (thrown) {
        if (isCode(thrown, 'CLUSTER_NOT_FOUND')) return undefined;
        throw thrown;
      }
    },
    remove: (kind, namespace, name, signal) => cluster.delete(kind, namespace, name, { signal }),
    waitFor: (kind, namespace, name, look, options) => {
      const where = { ...(kind.namespaced && { namespace }), fieldSelector: `metadata.name=${name}` };
      return access.observe(kind, where, objects => look(objects.values().next().value), options);
    },
    observe: (kind, where, look, options) => observe({ cluster, runtime, kind, where }, look, options),
  };
  return access;
}

interface Watching {
  readonly cluster: ClusterApi;
  readonly runtime: Pick<Runtime, 'sleep'>;
  readonly kind: ResourceKind;
  readonly where: Where;
}

async function observe<T>(
  watching: Watching,
  look: (objects: ReadonlyMap<string, JsonObject>) => T | undefined,
  { timeoutMs, signal }: WaitOptions,
): Promise<T | undefined> {
  const [late, done] = [new AbortController(), new AbortController()];
  const either = AbortSignal.any([signal, late.signal]);
  watching.runtime.sleep(timeoutMs, done.signal).then(
    () => late.abort(new HoldfastError('TIMEOUT', `nothing came of waiting for ${Math.round(timeoutMs / 1000)} s`)),
    () => {},
  );
  try {
    for (;;) {
      try {
        const seen = await lookOnce(watching, look, either);
        if (seen !== undefined) return seen;
      } catch (thrown) {
        if (signal.aborted) signal.throwIfAborted();
        if (late.signal.aborted) return undefined;
        if (thrown instanceof Verdict) throw thrown.reason;
        if (!asHoldfastError(thrown).retryable) throw thrown;
        await watching.runtime.sleep(troubleMs, either).catch(() => {});
      }
    }
  } finally {
    done.abort();
  }
}

/** What the caller's own look threw, so that it is not taken for trouble with the API server. */
class Verdict extends Error {
  readonly reason: unknown;
  constructor(reason: unknown) {
    super('the look has an answer');
    this.reason = reason;
  }
}

/** One list, and one watch from there. */
async function lookOnce<T>(
  { cluster, kind, where }: Watching,
  look: (objects: ReadonlyMap<string, JsonObject>) => T | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  const judged = (): T | undefined => {
    try {
      return look(current);
    } catch (thrown) {
      throw new Verdict(thrown);
    }
  };
  const listed = await listAll(cluster, kind, where, signal);
  const current = new Map(listed.objects.map(object => [keyOf(object), object]));
  let seen = judged();
  if (seen !== undefined) return seen;
  let verdict: unknown;
  await cluster.watch(kind, {
    ...where,
    ...{ revision: listed.revision, timeoutSeconds: watchSeconds, signal },
    onEvent: event => {
      if (event.type === 'BOOKMARK') return true;
      const object = objectOf(Buffer.from(event.object).toString('utf8'), kind);
      if (event.type === 'DELETED') current.delete(keyOf(object));
      else current.set(keyOf(object), object);
      try {
        seen = judged();
      } catch (thrown) {
        verdict = thrown;
      }
      return seen === undefined && verdict === undefined;
    },
  });
  if (verdict !== undefined) throw verdict;
  return seen;
}

async function listAll(
  cluster: ClusterApi,
  kind: ResourceKind,
  where: Where,
  signal: AbortSignal,
): Promise<{ readonly objects: JsonObject[]; readonly revision: string }> {
  const objects: JsonObject[] = [];
  const { revision } = await cluster.list(kind, batch => void objects.push(...itemsOf(batch, kind)), { ...where, signal });
  return { objects, revision };
}

function itemsOf({ buffer, ends }: ItemBatch, kind: ResourceKind): JsonObject[] {
  const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  return ends.map((end, i) => objectOf(bytes.toString('utf8', i === 0 ? 0 : ends[i - 1], end), kind));
}

function objectOf(json: string, kind: ResourceKind): JsonObject {
  const object = parseJson(json);
  if (isObject(object)) return object;
  throw new HoldfastError('CLUSTER_ERROR', `the API server answered with a ${kindName(kind)} that is no JSON object`);
}

function namespaceOf(object: object): string {
  return (object as { metadata?: { namespace?: string } }).metadata?.namespace ?? '';
}

function keyOf(object: JsonObject): string {
  return `${stringAt(object, 'metadata', 'namespace') ?? ''}/${stringAt(object, 'metadata', 'name') ?? ''}`;
}
