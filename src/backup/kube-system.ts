import type { ClusterApi } from '../cluster/cluster-api.ts';
import { isCode } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { namespaces } from '../volumes/kinds.ts';

/** The namespace by whose UID a cluster is told; undefined where the account may not read it. CLUSTER_ codes. */
export async function readKubeSystem(cluster: ClusterApi, signal: AbortSignal): Promise<JsonObject | undefined> {
  try {
    const json = await cluster.get(namespaces, '', 'kube-system', { signal });
    return json === undefined ? undefined : (JSON.parse(json) as JsonObject);
  } catch (thrown) {
    signal.throwIfAborted();
    if (isCode(thrown, 'CLUSTER_FORBIDDEN')) return undefined;
    throw thrown;
  }
}
