/** A cluster, as its sets name it. */
export interface ClusterIdentity {
  /** UID of the kube-system namespace; empty where it may not be read. */
  readonly uid: string;
  /** Of its API server. */
  readonly server: string;
}

/** By the uid; where one of them could not be read, by the address, which several clusters may have in common. */
export function isSameCluster(one: ClusterIdentity, other: ClusterIdentity): boolean {
  return one.uid === '' || other.uid === '' ? one.server === other.server : one.uid === other.uid;
}

/** The uid, or `at <server>` where there is none. */
export function clusterName({ uid, server }: ClusterIdentity): string {
  return uid === '' ? `at ${server}` : uid;
}
