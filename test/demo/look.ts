import { networkInterfaces } from 'node:os';
import { createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import type { TestCluster } from '../cluster/cluster.ts';
import { testRuntime } from '../helpers/runtime.ts';

/** Objects of every kind that can be listed. */
export async function countObjects(cluster: TestCluster): Promise<number> {
  const connection = await loadCluster({ kubeconfig: cluster.kubeconfig, environment: {} }, testRuntime);
  const api: ClusterApi = createClusterApi(connection, { runtime: testRuntime });
  try {
    const { kinds } = await api.discover();
    let count = 0;
    for (const kind of kinds.filter(one => one.verbs.includes('list') && one.resource !== 'events'))
      count += (await api.list(kind, () => {})).items;
    return count;
  } finally {
    await api.close();
  }
}

/** Does anything answer there, whatever it says? An address that this machine does not have any more is not asked: it would be somebody else’s. */
export async function answers(server: string): Promise<boolean> {
  const own = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? []);
  if (!own.some(({ address }) => address === new URL(server).hostname)) return false;
  return fetch(`${server}/readyz`, { signal: AbortSignal.timeout(2000) }).then(
    () => true,
    (error: Error) => !String((error.cause as { code?: string } | undefined)?.code).startsWith('ECONN'),
  );
}
