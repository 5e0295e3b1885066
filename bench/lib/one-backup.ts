/**
 * One backup into a new folder, with the common revision or without. A process of its own:
 * `node one-backup.ts <kubeconfig> <folder> with|without` prints `{"seconds", "objects"}`, of the backup alone.
 */
import { systemRuntime } from '../../src/app/adapters.ts';
import { runBackup } from '../../src/backup/run.ts';
import { createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import { generateIdentity } from '../../src/crypto/age.ts';
import { generateSigningKey } from '../../src/crypto/signing.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import { initRepository } from '../../src/repository/repository.ts';
import { createFileStore } from '../../src/storage/file-store.ts';

const [kubeconfig = '', folder = '', revision] = process.argv.slice(2);
const [runtime, signal] = [systemRuntime, new AbortController().signal];
const { recipient } = await generateIdentity();
const { privatePem: signingKey, publicPem: signingPublicKey } = generateSigningKey();
const repository = await initRepository(createFileStore(folder), { recipients: [recipient], signingPublicKey, runtime, signal });
const cluster = createClusterApi(await loadCluster({ kubeconfig, environment: {} }, runtime), { runtime });

const began = performance.now();
const outcome = await runBackup({
  ...{ repository, recipients: [recipient], signingKey, runtime, signal, progress: noProgress, producerVersion: 'bench' },
  ...{ selection: { ...everything, excludeNamespaces: ['velero'], excludeKinds: ['*.velero.io'] }, tier: 'bench', sealIndex: false },
  cluster: revision === 'with' ? cluster : eachAtItsOwn(cluster),
});
const seconds = (performance.now() - began) / 1000;
await cluster.close();
if (outcome.phase !== 'Completed') throw new Error(`the backup: ${JSON.stringify(outcome)}`);
console.log(JSON.stringify({ seconds, objects: outcome.manifest.objects }));

/**
 * The same lists by the same code, and nothing that brings them to one revision: what shall be of an exact one is as the server has it at hand,
 * and every watch has come to its end before it began.
 */
function eachAtItsOwn(api: ClusterApi): ClusterApi {
  const end = Buffer.from(JSON.stringify({ metadata: { resourceVersion: String(2n ** 62n) } }));
  return {
    ...api,
    list: async (kind, sink, { exactRevision: _, notOlderThan, ...options } = {}) =>
      notOlderThan === undefined ? api.list(kind, sink, options) : { revision: notOlderThan, items: 0 },
    watch: async (_, { onEvent }) => void onEvent({ type: 'BOOKMARK', object: end }),
  };
}
