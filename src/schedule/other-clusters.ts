import { type ClusterIdentity, clusterName, isSameCluster } from '../domain/cluster-identity.ts';

/** Why the sets of a cluster are not for this retention to delete; undefined where they are. */
export type OthersReason = (cluster: ClusterIdentity) => string | undefined;

/**
 * Deletes are decided by the policies of a cluster for its own sets, and for those of clusters that somebody gave to it by name. Who does not know
 * which one is its own deletes nothing else.
 */
export function reasonOfOthers(own: ClusterIdentity | undefined, adopted: readonly string[] = []): OthersReason {
  return cluster => {
    const name = clusterName(cluster);
    if (adopted.includes(name)) return undefined;
    if (own === undefined) return 'it is not known yet which cluster this service is of';
    return isSameCluster(cluster, own) ? undefined : `of another cluster (${name})`;
  };
}
