import { readFile } from 'node:fs/promises';
import { Agent, WebSocket } from 'undici';
import { apiJson, apiRequest, type KubeObject } from './api-request.ts';
import { storageClass } from './csi.ts';
import type { Access } from './kubeconfig.ts';
import { waitFor } from './wait.ts';

export interface ClaimOptions {
  readonly name: string;
  /** Default `default`. */
  readonly namespace?: string;
  /** Default 1Gi. */
  readonly size?: string;
  readonly storageClass?: string;
  readonly accessMode?: 'ReadWriteOnce' | 'ReadWriteMany' | 'ReadOnlyMany' | 'ReadWriteOncePod';
  readonly volumeMode?: 'Filesystem' | 'Block';
  /** A VolumeSnapshot of the same namespace that fills it. */
  readonly snapshot?: string;
}

export interface PodOptions {
  readonly name: string;
  /** Default `default`. */
  readonly namespace?: string;
  /** For `sh -c`. */
  readonly command: string;
  /** Default `localhost/tools:1`. */
  readonly image?: string;
  /** Claims by the path where they are: a folder, or the device of a block claim. */
  readonly claims?: Readonly<Record<string, string>>;
  /** The paths of `claims` that are devices. */
  readonly devices?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Merged into the pod's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface PodResult {
  readonly exitCode: number;
  readonly log: string;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const anyNamespace = 'default';

export function claimObject(options: ClaimOptions): KubeObject {
  const dataSource = options.snapshot && { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: options.snapshot };
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: options.name, namespace: options.namespace ?? anyNamespace },
    spec: {
      accessModes: [options.accessMode ?? 'ReadWriteOnce'],
      storageClassName: options.storageClass ?? storageClass,
      volumeMode: options.volumeMode ?? 'Filesystem',
      resources: { requests: { storage: options.size ?? '1Gi' } },
      ...(dataSource ? { dataSource } : {}),
    },
  };
}

export function podObject(options: PodOptions): KubeObject {
  const claims = Object.entries(options.claims ?? {}).map(([path, claim], index) => ({ path, claim, volume: `claim-${index}` }));
  const isDevice = (path: string) => options.devices?.includes(path) ?? false;
  const container = {
    name: 'main',
    image: options.image ?? 'localhost/tools:1',
    imagePullPolicy: 'Never',
    command: ['sh', '-c', options.command],
    env: Object.entries(options.environment ?? {}).map(([name, value]) => ({ name, value })),
    volumeMounts: claims.filter(({ path }) => !isDevice(path)).map(({ path, volume }) => ({ name: volume, mountPath: path })),
    volumeDevices: claims.filter(({ path }) => isDevice(path)).map(({ path, volume }) => ({ name: volume, devicePath: path })),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: options.name, namespace: options.namespace ?? anyNamespace, labels: options.labels ?? {} },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [container],
      volumes: claims.map(({ claim, volume }) => ({ name: volume, persistentVolumeClaim: { claimName: claim } })),
      ...options.spec,
    },
  };
}

/** Creates the claim and, unless its class waits for a pod, waits until it is bound. */
export async function createClaim(access: Access, options: ClaimOptions): Promise<void> {
  const claim = claimObject(options);
  const collection = `/api/v1/namespaces/${claim.metadata.namespace}/persistentvolumeclaims`;
  await apiJson(access, collection, { method: 'POST', body: claim });
  const { storageClassName } = claim.spec as { storageClassName: string };
  const { volumeBindingMode } = await apiJson<{ volumeBindingMode: string }>(
    access,
    `/apis/storage.k8s.io/v1/storageclasses/${storageClassName}`,
  );
  if (volumeBindingMode === 'Immediate') await waitForPhase(access, `${collection}/${options.name}`, ['Bound']);
}

/** Starts a pod and waits until it runs. */
export async function startPod(access: Access, options: PodOptions): Promise<void> {
  const path = await createPod(access, options);
  const phase = await waitForPhase(access, path, ['Running', 'Succeeded', 'Failed']);
  if (phase !== 'Running') throw new Error(`pod ${options.name} ended (${phase}) with: ${await podLog(access, options)}`);
}

/** Runs a pod to its end, gives its output, and deletes it. */
export async function runPod(access: Access, options: PodOptions): Promise<PodResult> {
  const path = await createPod(access, options);
  await waitForPhase(access, path, ['Succeeded', 'Failed']);
  const pod = await apiJson<Pod>(access, path);
  const log = await podLog(access, options);
  await deletePod(access, options);
  return { exitCode: pod.status.containerStatuses?.[0]?.state.terminated?.exitCode ?? -1, log };
}

/** Starts a Deployment of one such pod, labelled `app: <name>`, and waits until that runs. The pod's name. */
export async function startDeployment(access: Access, options: PodOptions): Promise<string> {
  const { metadata, spec } = podObject({ ...options, labels: { app: options.name } });
  const { name, namespace } = metadata;
  const template = { metadata: { labels: metadata['labels'] }, spec: { ...(spec as object), restartPolicy: 'Always' } };
  const body: KubeObject = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, ...(namespace !== undefined && { namespace }) },
    spec: { replicas: 1, selector: { matchLabels: metadata['labels'] }, template },
  };
  await apiJson(access, `/apis/apps/v1/namespaces/${namespace}/deployments`, { method: 'POST', body });
  return runningPod(access, options);
}

/** The pod of such a Deployment, once it runs. */
export async function runningPod(access: Access, { name, namespace }: Pick<PodOptions, 'name' | 'namespace'>): Promise<string> {
  const path = `/api/v1/namespaces/${namespace ?? anyNamespace}/pods?labelSelector=app%3D${name}`;
  const running = async () => {
    const { items } = await apiJson<{ items: (KubeObject & Pod)[] }>(access, path);
    const found = items.find(({ metadata, status }) => status.phase === 'Running' && metadata['deletionTimestamp'] === undefined);
    return found?.metadata.name;
  };
  return waitFor(`a pod of ${name} runs`, running, { timeoutMs: 120_000, intervalMs: 200 });
}

/** Output of a pod's container up to now. */
export async function podLog(access: Access, { name, namespace }: Pick<PodOptions, 'name' | 'namespace'>): Promise<string> {
  const { status, text } = await apiRequest(access, `${podPath(name, namespace)}/log`);
  if (status !== 200) throw new Error(`log of pod ${name}: ${status} ${text}`);
  return text;
}

/** Waits until it is gone. */
export async function deletePod(access: Access, { name, namespace }: Pick<PodOptions, 'name' | 'namespace'>): Promise<void> {
  const path = podPath(name, namespace);
  await apiRequest(access, path, { method: 'DELETE' });
  const gone = async () => (await apiRequest(access, path)).status === 404;
  await waitFor(`pod ${name} gone`, gone, { timeoutMs: 60_000, intervalMs: 100 });
}

/** Runs a command in a running pod, as `kubectl exec` does. */
export async function exec(
  access: Access,
  { name, namespace }: Pick<PodOptions, 'name' | 'namespace'>,
  command: readonly string[],
): Promise<ExecResult> {
  const query = new URLSearchParams({ stdout: 'true', stderr: 'true' });
  for (const word of command) query.append('command', word);
  const url = new URL(`${podPath(name, namespace)}/exec?${query}`, access.server.replace('https:', 'wss:'));
  const dispatcher = new Agent({ connect: { ca: await readFile(access.caFile) } });
  const socket = new WebSocket(url, { protocols: ['v4.channel.k8s.io'], dispatcher, headers: { authorization: `Bearer ${access.token}` } });
  socket.binaryType = 'arraybuffer';
  try {
    return await new Promise<ExecResult>((resolve, reject) => {
      const channels: Buffer[][] = [[], [], [], []];
      socket.addEventListener('message', ({ data }) => {
        const bytes = Buffer.from(data as ArrayBuffer);
        channels[bytes[0] ?? 0]?.push(bytes.subarray(1));
      });
      socket.addEventListener('error', event => {
        reject(new Error(`exec in ${name}: ${event.message || 'the API server refused, or could not reach the node'}`));
      });
      socket.addEventListener('close', () => {
        const [, stdout = '', stderr = '', result = ''] = channels.map(parts => Buffer.concat(parts).toString());
        if (result === '') reject(new Error(`exec in ${name}: the connection ended without a result`));
        else resolve({ exitCode: exitCodeOf(result), stdout, stderr });
      });
    });
  } finally {
    await dispatcher.close();
  }
}

interface ExecStatus {
  readonly status: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

function exitCodeOf(text: string): number {
  const status = JSON.parse(text) as ExecStatus;
  if (status.status === 'Success') return 0;
  const code = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  if (code === undefined) throw new Error(status.message ?? text);
  return Number(code);
}

interface Pod {
  readonly status: {
    readonly phase?: string;
    readonly containerStatuses?: readonly { readonly state: { readonly terminated?: { readonly exitCode: number } } }[];
  };
}

function podPath(name: string, namespace = anyNamespace): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

async function createPod(access: Access, options: PodOptions): Promise<string> {
  const pod = podObject(options);
  const namespace = `/api/v1/namespaces/${pod.metadata.namespace}`;
  const collection = `${namespace}/pods`;
  // A controller makes it in a new namespace: without it, no pod is let in.
  const account = async () => (await apiRequest(access, `${namespace}/serviceaccounts/default`)).status === 200;
  await waitFor(`${namespace} has its account`, account, { timeoutMs: 60_000 });
  await apiJson(access, collection, { method: 'POST', body: pod });
  return `${collection}/${options.name}`;
}

async function waitForPhase(access: Access, path: string, phases: readonly string[]): Promise<string> {
  const phase = async () => {
    const found = (await apiJson<Pod>(access, path)).status.phase ?? '';
    return phases.includes(found) && found;
  };
  return waitFor(`${path} ${phases.join(' or ')}`, phase, { timeoutMs: 120_000, intervalMs: 100 });
}
