import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { apiRequest } from './api-request.ts';
import { type ApiServer, type ApiServerOptions, prepareApiServer, startApiServer } from './api-server.ts';
import type { ClusterOptions, TestCluster } from './cluster.ts';
import { startContainerd } from './containerd.ts';
import { startControllerManager } from './controller-manager.ts';
import { type Etcd, startEtcd } from './etcd.ts';
import { type GuardedDir, makeGuardedDir } from './guarded-dir.ts';
import type { GuardedProcess } from './guarded-process.ts';
import { type Access, writeKubeconfig } from './kubeconfig.ts';
import { type KubeletClient, makeKubeletClient } from './kubelet.ts';
import { startNode, type TestNode } from './node.ts';
import { type NodeSpace, releaseNode, startNodeSpace } from './node-space.ts';
import { nodeSupport } from './node-support.ts';
import { allEnded, waitFor } from './wait.ts';

/** etcd, kube-apiserver and kube-controller-manager as processes of this machine, on loopback where there is no node. */
export async function startNativeCluster(options: ClusterOptions): Promise<TestCluster> {
  const name = options.name ?? `test-${randomBytes(3).toString('hex')}`;
  const support = options.node ? await nodeSupport() : undefined;
  if (support?.supported === false) throw new Error(`no node can run here: ${support.reason}`);
  const dir = await makeGuardedDir(`holdfast-${name}-`, releaseNode);
  const started: { stop(graceMs?: number): Promise<void> }[] = [];
  let containers: Promise<GuardedProcess> | undefined;
  try {
    const space = support ? await startNodeSpace(dir.path) : undefined;
    if (space) started.push(space);
    // They take nothing of the control plane, and come up beside it.
    containers = support && space ? startContainers(space, support.pluginFolder, options) : undefined;
    containers?.catch(() => {}); // told when the node is made
    const kubeletClient = space ? await makeKubeletClient(dir.path) : undefined;
    const etcd = await startEtcd(dir.path, options);
    started.push(etcd.process);
    const apiOptions = apiServerOptions(dir.path, etcd, options, space, kubeletClient);
    await prepareApiServer(apiOptions);
    const api = await startApiServer(apiOptions);
    started.push(api.process);
    const kubeconfig = join(dir.path, 'admin.kubeconfig');
    await writeKubeconfig(kubeconfig, name, api.access);
    const manager = options.controllers === false ? undefined : await startControllerManager(dir.path, api.access, options.onProgress);
    if (manager) started.push(manager);
    const makeNode = async () => {
      if (space === undefined || kubeletClient === undefined || containers === undefined) return undefined;
      const node = await startNode({ ...options, space, access: api.access, dir: dir.path, kubeletClient, containers });
      started.push(node);
      return node;
    };
    const [node] = await allEnded([makeNode(), waitUntilUsable(api.access, manager, options.signal)]);
    return nativeCluster({ name, dir, kubeconfig, etcd, apiOptions, api, manager, node, space });
  } catch (thrown) {
    for (const server of started.reverse()) await server.stop(0);
    await containers?.catch(() => {});
    await dir.remove();
    throw thrown;
  }
}

async function startContainers(
  space: NodeSpace,
  pluginFolder: string,
  { images = [], signal, onProgress }: ClusterOptions,
): Promise<GuardedProcess> {
  return startContainerd(space, { pluginFolder, images: await Promise.all(images.map(make => make(onProgress))), signal });
}

function apiServerOptions(
  dir: string,
  etcd: Etcd,
  options: ClusterOptions,
  space: NodeSpace | undefined,
  kubelet: KubeletClient | undefined,
): ApiServerOptions {
  const adminToken = randomBytes(24).toString('hex');
  return {
    dir,
    etcdUrl: etcd.url,
    adminToken,
    users: [{ name: 'admin', token: adminToken, groups: ['system:masters'] }, ...(options.users ?? [])],
    args: [...(space && kubelet ? nodeArgs(space, kubelet) : []), ...(options.apiServerArgs ?? [])],
    address: space?.hostAddress,
    signal: options.signal,
    onProgress: options.onProgress,
  };
}

/** Later flags win. */
function nodeArgs(space: NodeSpace, kubelet: KubeletClient): string[] {
  return [
    `--service-cluster-ip-range=${space.serviceRange}`,
    `--kubelet-client-certificate=${kubelet.certFile}`,
    `--kubelet-client-key=${kubelet.keyFile}`,
    '--kubelet-preferred-address-types=InternalIP',
  ];
}

async function waitUntilUsable(access: Access, manager: GuardedProcess | undefined, signal: AbortSignal | undefined): Promise<void> {
  const needed = ['/api/v1/namespaces/default', ...(manager ? ['/api/v1/namespaces/default/serviceaccounts/default'] : [])];
  for (const path of needed) {
    const exists = async () => (await apiRequest(access, path, { timeoutMs: 5_000 })).status === 200;
    await waitFor(`${path} exists`, exists, { timeoutMs: 120_000, intervalMs: 100, signal });
  }
}

interface Parts {
  readonly name: string;
  readonly dir: GuardedDir;
  readonly kubeconfig: string;
  readonly etcd: Etcd;
  readonly apiOptions: ApiServerOptions;
  readonly api: ApiServer;
  readonly manager: GuardedProcess | undefined;
  readonly node: TestNode | undefined;
  readonly space: NodeSpace | undefined;
}

function nativeCluster({ name, dir, kubeconfig, etcd, apiOptions, api, manager, node, space }: Parts): TestCluster {
  let apiProcess = api.process;
  const stop = async () => {
    await node?.stop();
    await manager?.stop();
    await apiProcess.stop();
    // Not before: the API server would wait for connections whose other end has vanished with the space.
    await space?.stop();
    await etcd.process.stop();
  };
  return {
    kind: 'native',
    name,
    kubeconfig,
    server: api.access.server,
    token: api.access.token,
    caFile: api.access.caFile,
    dir: dir.path,
    etcdUrl: etcd.url,
    ...(node ? { node } : {}),
    stopApiServer: () => apiProcess.stop(),
    startApiServer: async () => {
      if (apiProcess.running()) return;
      const { signal: _, ...restartOptions } = apiOptions; // belongs to the first start
      apiProcess = (await startApiServer(restartOptions, Number(new URL(api.access.server).port))).process;
      await waitUntilUsable(api.access, manager, undefined);
    },
    stop,
    // Nobody will read the data again: servers that are killed are gone in no time, and the same is given back as after `kill -9` of a test.
    destroy: async () => {
      await space?.stop();
      await Promise.all([node?.stop(0), manager?.stop(0), apiProcess.stop(0), etcd.process.stop(0)]);
      await dir.remove();
    },
  };
}
