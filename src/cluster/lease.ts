import { HoldfastError } from '../domain/errors.ts';
import { at, isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { CallOptions, ClusterApi } from './cluster-api.ts';

/** The spec of a coordination.k8s.io/v1 Lease, as far as an election uses it. */
export interface LeaseRecord {
  /** Empty when nobody holds it. */
  readonly holderIdentity: string;
  /** How long others wait after the last renewal; 0 where the lease does not say. */
  readonly leaseDurationSeconds: number;
  /** MicroTime: RFC 3339 with exactly six digits of a second, UTC. Empty where the lease does not say. */
  readonly acquireTime: string;
  readonly renewTime: string;
  /** Acquisitions so far. */
  readonly leaseTransitions: number;
}

/** A lease as the API server stored it: what `replace` takes. */
export interface StoredLease {
  readonly record: LeaseRecord;
  /** The whole object. */
  readonly json: string;
}

/** The port to one Lease. Errors have CLUSTER_ codes; no call waits for the lease to become free. */
export interface Lease {
  /** `leases.coordination.k8s.io <namespace>/<name>`, for messages. */
  readonly name: string;

  /** As it is now, never from a cache; undefined when there is none. */
  read(options?: CallOptions): Promise<StoredLease | undefined>;

  /** CLUSTER_CONFLICT when it exists: somebody else was quicker. */
  create(record: LeaseRecord, options?: CallOptions): Promise<StoredLease>;

  /**
   * Writes the record over the lease exactly as it was read; whatever else the object holds stays. CLUSTER_CONFLICT when it changed
   * meanwhile: somebody else was quicker. CLUSTER_NOT_FOUND when it was deleted.
   */
  replace(previous: StoredLease, record: LeaseRecord, options?: CallOptions): Promise<StoredLease>;
}

const leases: ResourceKind = {
  group: 'coordination.k8s.io',
  version: 'v1',
  resource: 'leases',
  kind: 'Lease',
  namespaced: true,
  verbs: ['get', 'create', 'update'],
  subresources: [],
};

export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** Put on the lease when it is created. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** A Lease over the API of its cluster. The namespace must exist. */
export function createLease(cluster: ClusterApi, { namespace, name, labels }: LeaseOptions): Lease {
  return {
    name: `leases.coordination.k8s.io ${namespace}/${name}`,
    read: async options => {
      const json = await cluster.get(leases, namespace, name, options);
      return json === undefined ? undefined : { record: recordOf(json), json };
    },
    create: async (record, options) => {
      const metadata = { name, namespace, ...(labels === undefined ? {} : { labels: { ...labels } }) };
      const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: specOf(record) };
      const json = await cluster.create(leases, namespace, JSON.stringify(body), options);
      return { record: recordOf(json), json };
    },
    replace: async (previous, record, options) => {
      const object = objectOf(previous.json);
      const { holderIdentity: _, ...spec } = isObject(object['spec']) ? object['spec'] : {};
      const body = JSON.stringify({ ...object, spec: { ...spec, ...specOf(record) } });
      const json = await cluster.update(leases, namespace, name, body, options);
      return { record: recordOf(json), json };
    },
  };
}

/** A holder is named or absent: the API knows no empty one. */
function specOf({ holderIdentity, ...rest }: LeaseRecord): JsonObject {
  return { ...(holderIdentity === '' ? {} : { holderIdentity }), ...rest };
}

function recordOf(json: string): LeaseRecord {
  const object = objectOf(json);
  return {
    holderIdentity: stringAt(object, 'spec', 'holderIdentity') ?? '',
    leaseDurationSeconds: numberAt(object, 'leaseDurationSeconds'),
    acquireTime: stringAt(object, 'spec', 'acquireTime') ?? '',
    renewTime: stringAt(object, 'spec', 'renewTime') ?? '',
    leaseTransitions: numberAt(object, 'leaseTransitions'),
  };
}

function objectOf(json: string): JsonObject {
  const object = parseJson(json);
  if (isObject(object)) return object;
  throw new HoldfastError('CLUSTER_ERROR', 'the API server answered with a Lease that is no JSON object');
}

function numberAt(object: JsonObject, field: string): number {
  const value = at(object, 'spec', field);
  return typeof value === 'number' ? value : 0;
}
