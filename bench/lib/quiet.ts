import { setTimeout as sleep } from 'node:timers/promises';
import { openApi } from './api.ts';
import type { Bench } from './context.ts';

const lookMs = 5_000;
const mostLooks = 60;
/** Leases are renewed every few seconds, whatever else happens. */
const idleWrites = 5;

/** Waits until controllers have nothing left to write; after five minutes says so and goes on. */
export async function waitUntilQuiet(bench: Bench, kubeconfig: string): Promise<void> {
  const api = await openApi(kubeconfig, 1);
  try {
    let last = Number.NEGATIVE_INFINITY;
    for (let look = 0; look < mostLooks; look++) {
      const { metadata } = await api.json<{ metadata: { resourceVersion: string } }>('/api/v1/namespaces?limit=1');
      const revision = Number(metadata.resourceVersion);
      if (revision - last <= idleWrites) return;
      last = revision;
      await sleep(lookMs, undefined, { signal: bench.signal });
    }
    bench.log('the cluster does not come to rest');
  } finally {
    await api.close();
  }
}
