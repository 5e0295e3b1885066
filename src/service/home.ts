import type { ClusterApi } from '../cluster/cluster-api.ts';
import { type ClusterIdentity, isSameCluster } from '../domain/cluster-identity.ts';
import { isCode } from '../domain/errors.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';

/** The cluster that a service backs up. Others may have sets and operations in the same repository. */
export interface Home {
  readonly identity: ClusterIdentity;
  /** When it was made. */
  readonly since: Date;
}

const answerMs = 10_000;

const namespaces: ResourceKind = {
  ...{ group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace' },
  ...{ namespaced: false, verbs: ['get'], subresources: [] },
};

/** By its kube-system namespace, as in the sets of its backups; one that may not be read is told by its address alone. CLUSTER_ codes. */
export async function readHome(cluster: ClusterApi, signal: AbortSignal): Promise<Home> {
  const { server } = cluster;
  const unnamed: Home = { identity: { uid: '', server }, since: new Date(0) };
  try {
    const json = await cluster.get(namespaces, '', 'kube-system', { signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]) });
    if (json === undefined) return unnamed;
    const system = JSON.parse(json) as JsonObject;
    const uid = stringAt(system, 'metadata', 'uid') ?? '';
    return { identity: { uid, server }, since: new Date(stringAt(system, 'metadata', 'creationTimestamp') ?? 0) };
  } catch (thrown) {
    if (isCode(thrown, 'CLUSTER_FORBIDDEN')) return unnamed;
    throw thrown;
  }
}

/** As far as is known: nobody can tell of what names no cluster, nor before our own API server has answered. */
export function isOfHome({ home }: { readonly home?: Home | undefined }, cluster: ClusterIdentity | undefined): boolean {
  return home === undefined || cluster === undefined || isSameCluster(cluster, home.identity);
}
