/**
 * What the common revision costs: reads a cluster as a backup does and throws away what it reads. A process of its own:
 * `node read-instant.ts <kubeconfig>` prints `{"objects", "seconds", "settleMs", "consistency"}`.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { readInstant } from '../../src/backup/instant.ts';
import { planRead } from '../../src/backup/read-plan.ts';
import { createClusterApi } from '../../src/cluster/client.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';

const runtime: Runtime = {
  now: () => new Date(),
  random: bytes => randomBytes(bytes),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, signal ? { signal } : {});
  },
};
const { signal } = new AbortController();
const cluster = createClusterApi(await loadCluster({ kubeconfig: process.argv[2] ?? '', environment: process.env }, runtime), { runtime });
const plan = planRead(await cluster.discover({ signal }), everything);
let objects = 0;
const add = async (_kind: number, _attempt: number, _items: unknown, batch: { readonly ends: readonly number[] }) => {
  objects += batch.ends.length;
};
const started = performance.now();
const reading = await readInstant({ cluster, plan, labelSelector: '', runtime, signal, add });
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ objects, seconds, settleMs: reading.settleMs, consistency: reading.consistency }));
await cluster.close();
