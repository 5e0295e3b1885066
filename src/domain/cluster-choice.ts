import type { ClusterIdentity } from './cluster-identity.ts';
import { HoldfastError } from './errors.ts';

/** The cluster that a command or a service is connected to, whichever that is. */
export const ownCluster = 'own';

/** So much of a UID tells it from others. */
const leastOfUid = 4;

/** Whose sets are meant, where a repository has those of several clusters. */
export interface ClusterChoice {
  /** For messages. */
  readonly words: string;
  readonly includes: (cluster: ClusterIdentity) => boolean;
}

/**
 * The cluster that a text means: `own`, a UID, the beginning of one (four characters or more), or the address of an API server. `own` asks
 * which one that is, and goes by its UID alone: several clusters may have an address in common. CLUSTER_ codes, CLUSTER_FORBIDDEN where the
 * account may not read by what a cluster is told.
 */
export async function chooseCluster(text: string, ask: () => Promise<ClusterIdentity>): Promise<ClusterChoice> {
  if (text !== ownCluster) {
    const isNamed = ({ uid, server }: ClusterIdentity) => server === text || uid === text || isBeginning(text, uid);
    return { words: `the cluster ${text}`, includes: isNamed };
  }
  const own = await ask();
  if (own.uid === '') {
    throw new HoldfastError(
      'CLUSTER_FORBIDDEN',
      `which cluster is meant by own is not known: the namespace kube-system of ${own.server} may not be read`,
    );
  }
  return { words: 'the own cluster', includes: ({ uid }) => uid === own.uid };
}

function isBeginning(text: string, uid: string): boolean {
  return text.length >= leastOfUid && uid.startsWith(text);
}
