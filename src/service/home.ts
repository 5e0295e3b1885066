import { readKubeSystem } from '../backup/kube-system.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { type ClusterIdentity, isSameCluster } from '../domain/cluster-identity.ts';
import { stringAt } from '../domain/json.ts';

/** The cluster that a service backs up. Others may have sets and operations in the same repository. */
export interface Home {
  readonly identity: ClusterIdentity;
  /** When it was made. */
  readonly since: Date;
}

const answerMs = 10_000;

/** By its kube-system namespace, as in the sets of its backups; one that may not be read is told by its address alone. CLUSTER_ codes. */
export async function readHome(cluster: ClusterApi, signal: AbortSignal): Promise<Home> {
  const system = await readKubeSystem(cluster, AbortSignal.any([signal, AbortSignal.timeout(answerMs)]));
  const uid = stringAt(system, 'metadata', 'uid') ?? '';
  return { identity: { uid, server: cluster.server }, since: new Date(stringAt(system, 'metadata', 'creationTimestamp') ?? 0) };
}

/** As far as is known: nobody can tell of what names no cluster, nor before our own API server has answered. */
export function isOfHome({ home }: { readonly home?: Home | undefined }, cluster: ClusterIdentity | undefined): boolean {
  return home === undefined || cluster === undefined || isSameCluster(cluster, home.identity);
}
