import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createIfMissing, type KubeObject } from './api-request.ts';
import { binary, type Progress } from './binaries.ts';
import type { TestCluster } from './cluster.ts';
import { installDefinitions } from './definitions.ts';
import { startGuarded } from './guarded-process.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { definitionsIn, goModuleDir } from './modules.ts';
import { waitForServer } from './wait.ts';

const namespace = 'argo';

/** Without servers of its own that could meet another controller's ports. The controller refuses keys that it does not know. */
const configMap: KubeObject = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'workflow-controller-configmap', namespace },
  data: { metricsConfig: 'enabled: false\n', telemetryConfig: 'enabled: false\n' },
};

/** The controller's words when it has seen what is there and begins to work. */
const cachesFilled = 'Started workflow garbage collection';

export type ArgoDefinitions = 'full' | 'minimal';

/** A running workflow controller. */
export interface Argo {
  stop(): Promise<void>;
}

export interface ArgoOptions {
  /**
   * Argo’s definitions without the schemas of workflows, as Argo’s own installation has them, or with all of them, which takes an API server
   * ten seconds of the processor. Minimal unless told.
   */
  readonly definitions?: ArgoDefinitions;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: Progress | undefined;
}

/** Creates Argo's definitions as far as the cluster does not have them, and waits until they are served. */
async function installArgoDefinitions(cluster: TestCluster, which: ArgoDefinitions): Promise<void> {
  const module = await goModuleDir('github.com/argoproj/argo-workflows/v3');
  await installDefinitions(cluster, await definitionsIn(join(module, 'manifests', 'base', 'crds', which)));
}

/**
 * Runs the workflow controller as a process. It brings its definitions, namespace and configuration where they are missing and leaves
 * those that a restore has brought as they are.
 */
export async function startArgo(cluster: TestCluster, options: ArgoOptions = {}): Promise<Argo> {
  const command = await binary('workflow-controller', options.onProgress);
  await installArgoDefinitions(cluster, options.definitions ?? 'minimal');
  await createIfMissing(cluster, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await createIfMissing(cluster, `/api/v1/namespaces/${namespace}/configmaps`, configMap);
  const kubeconfig = join(cluster.dir, 'workflow-controller.kubeconfig');
  await writeKubeconfig(kubeconfig, 'workflow-controller', cluster, namespace);
  const logFile = join(cluster.dir, 'workflow-controller.log');
  await rm(logFile, { force: true }); // an earlier run's words would count as this one's
  const server = await startGuarded({
    name: 'workflow-controller',
    command,
    args: [`--kubeconfig=${kubeconfig}`, '--executor-image=localhost/argoexec:none', '--qps=200', '--burst=400'],
    env: { LEADER_ELECTION_DISABLE: 'true' },
    logFile,
  });
  try {
    await waitForServer(server, async () => (await server.logTail(100)).includes(cachesFilled), {
      timeoutMs: 120_000,
      signal: options.signal,
    });
  } catch (thrown) {
    await server.stop(0);
    throw thrown;
  }
  return { stop: () => server.stop() };
}
