import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { apiJson, apiRequest } from './api-request.ts';
import { binary, type Progress } from './binaries.ts';
import { containerRuntimeEndpoint } from './containerd.ts';
import type { GuardedProcess } from './guarded-process.ts';
import { type Access, writeKubeconfig } from './kubeconfig.ts';
import type { NodeSpace } from './node-space.ts';
import { waitForServer } from './wait.ts';

const run = promisify(execFile);

export const nodeName = 'node-1';

/** By which an API server shows a kubelet who it is. */
export interface KubeletClient {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes the certificate that the API server logs in to kubelets with, its own authority. */
export async function makeKubeletClient(dir: string): Promise<KubeletClient> {
  const files = { certFile: join(dir, 'kubelet-client.crt'), keyFile: join(dir, 'kubelet-client.key') };
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
    ...['-subj', '/O=system:masters/CN=kube-apiserver', '-addext', 'extendedKeyUsage=clientAuth'],
    ...['-keyout', files.keyFile, '-out', files.certFile],
  ]);
  return files;
}

const configuration = (space: NodeSpace, client: KubeletClient) => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  address: space.nodeAddress,
  authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: client.certFile } },
  authorization: { mode: 'Webhook' },
  containerRuntimeEndpoint,
  cgroupDriver: 'cgroupfs',
  cgroupRoot: `/${space.controlGroup}`,
  failCgroupV1: false,
  failSwapOn: false,
  resolvConf: '', // no name server is to be had; hosts files and addresses do
  // The disk is not the node's own: how full it is says nothing about the pods.
  evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'nodefs.inodesFree': '0%', 'imagefs.available': '0%' },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  serializeImagePulls: false,
  registerWithTaints: [],
  syncFrequency: '10s',
  fileCheckFrequency: '20s',
  nodeStatusUpdateFrequency: '10s',
  volumeStatsAggPeriod: '10s',
  shutdownGracePeriod: '0s',
});

/** Starts the kubelet and waits until its node is ready. */
export async function startKubelet(
  space: NodeSpace,
  access: Access,
  client: KubeletClient,
  options: { readonly signal?: AbortSignal | undefined; readonly onProgress?: Progress | undefined } = {},
): Promise<GuardedProcess> {
  const command = await binary('kubelet', options.onProgress);
  const kubeconfig = join(space.dir, 'kubelet.kubeconfig');
  await writeKubeconfig(kubeconfig, 'kubelet', access);
  const config = join(space.dir, 'kubelet.json');
  await writeFile(config, JSON.stringify(configuration(space, client)));
  const server = await space.start({
    name: 'kubelet',
    command,
    args: [`--config=${config}`, `--kubeconfig=${kubeconfig}`, `--hostname-override=${nodeName}`, `--node-ip=${space.nodeAddress}`],
    logFile: join(space.dir, 'kubelet.log'),
  });
  try {
    await waitForServer(server, () => isReady(access), { timeoutMs: 120_000, intervalMs: 200, signal: options.signal });
    return server;
  } catch (thrown) {
    await server.stop(0);
    throw thrown;
  }
}

interface Node {
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function isReady(access: Access): Promise<boolean> {
  const node = await apiJson<Node>(access, `/api/v1/nodes/${nodeName}`);
  const ready = node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  // The condition outlives a kubelet for a while; its answer does not.
  return ready && (await apiRequest(access, `/api/v1/nodes/${nodeName}/proxy/healthz`, { timeoutMs: 5_000 })).status === 200;
}
