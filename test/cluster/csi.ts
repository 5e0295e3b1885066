import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiJson, createIfMissing, type KubeObject } from './api-request.ts';
import { binary, type Progress } from './binaries.ts';
import { installDefinitions } from './definitions.ts';
import { type GuardedProcess, startGuarded } from './guarded-process.ts';
import { type Access, writeKubeconfig } from './kubeconfig.ts';
import { nodeName } from './kubelet.ts';
import { definitionsIn, goModuleDir } from './modules.ts';
import type { NodeSpace } from './node-space.ts';
import { waitFor } from './wait.ts';

export const csiDriverName = 'csi.holdfast.test';
/** The default StorageClass and VolumeSnapshotClass. */
export const storageClass = 'holdfast-test';
/** Of the same driver, bound when a pod comes. */
export const lateStorageClass = 'holdfast-test-late';
/** Of the same driver, with volumes that can be full: each is an ext4 file system of the claim’s size. */
export const sizedStorageClass = 'holdfast-test-sized';

/** What happens to calls of one method of the driver. */
export interface CsiFault {
  readonly delayMs?: number;
  /** The call fails with it. */
  readonly message?: string;
  /** gRPC status code; default 13, Internal. */
  readonly code?: number;
  /** Only requests whose text contains it: a volume's handle, a snapshot's name. */
  readonly match?: string;
  /** Only so many calls; default all. */
  readonly times?: number;
  /** Of CreateSnapshot: ready so long after it was taken, below 0 never. */
  readonly readyAfterMs?: number;
}

export type CsiMethod =
  | 'CreateVolume'
  | 'DeleteVolume'
  | 'CreateSnapshot'
  | 'DeleteSnapshot'
  | 'ListSnapshots'
  | 'NodeStageVolume'
  | 'NodeUnstageVolume'
  | 'NodePublishVolume'
  | 'NodeUnpublishVolume';

export type CsiFaults = Readonly<Partial<Record<CsiMethod, CsiFault>>>;

/** The driver, and what Kubernetes runs beside one. */
export interface Csi {
  /** The driver's folders `volumes` and `snapshots`: `volumes/<handle>/content` is a claim's folder, or its file in block mode. */
  readonly dataDir: string;
  /** Takes the place of all faults before; `{}` ends them. */
  setFaults(faults: CsiFaults): Promise<void>;
  /** How often each method was called since the driver's start. */
  calls(): Promise<Readonly<Record<string, number>>>;
  /** The driver is gone, its volumes and what is mounted stay. */
  stopDriver(): Promise<void>;
  startDriver(): Promise<void>;
  stop(graceMs?: number): Promise<void>;
}

const objects: readonly (readonly [string, KubeObject])[] = [
  [
    '/apis/storage.k8s.io/v1/csidrivers',
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: csiDriverName },
      spec: { attachRequired: false, podInfoOnMount: false, fsGroupPolicy: 'File' },
    },
  ],
  [
    '/apis/storage.k8s.io/v1/storageclasses',
    storageClassObject(storageClass, 'Immediate', { 'storageclass.kubernetes.io/is-default-class': 'true' }),
  ],
  ['/apis/storage.k8s.io/v1/storageclasses', storageClassObject(lateStorageClass, 'WaitForFirstConsumer', {})],
  ['/apis/storage.k8s.io/v1/storageclasses', { ...storageClassObject(sizedStorageClass, 'Immediate', {}), parameters: { sized: 'true' } }],
  [
    '/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses',
    {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshotClass',
      metadata: { name: storageClass, annotations: { 'snapshot.storage.kubernetes.io/is-default-class': 'true' } },
      driver: csiDriverName,
      deletionPolicy: 'Delete',
    },
  ],
];

function storageClassObject(name: string, volumeBindingMode: string, annotations: Readonly<Record<string, string>>): KubeObject {
  const metadata = { name, annotations };
  return { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata, provisioner: csiDriverName, volumeBindingMode };
}

const restartMs = 300;
/** A snapshot that was deleted while its driver was away is looked at again by nobody before this time: a quarter of an hour unless told. */
const lookAgain = '--resync-period=5s';
const haste = [
  '--leader-election=false',
  '--kube-api-qps=200',
  '--kube-api-burst=400',
  '--retry-interval-start=250ms',
  '--retry-interval-max=5s',
];

/** Starts the driver in the node's space, the snapshot controller and the sidecars beside it, and waits until the kubelet knows the driver. */
export async function startCsi(space: NodeSpace, access: Access, dir: string, onProgress?: Progress): Promise<Csi> {
  const programs = {
    driver: await binary('csi-driver', onProgress),
    controller: await binary('snapshot-controller', onProgress),
    provisioner: await binary('csi-provisioner', onProgress),
    snapshotter: await binary('csi-snapshotter', onProgress),
  };
  const module = await goModuleDir('github.com/kubernetes-csi/external-snapshotter/client/v8');
  await installDefinitions(access, await definitionsIn(join(module, 'config', 'crd')));
  for (const [collection, object] of objects) await createIfMissing(access, collection, object);

  const dataDir = join(space.dir, 'csi');
  const control = join(space.dir, 'csi-control.sock');
  let driver = await startDriver(space, programs.driver, dataDir, control);
  const others = new Map<string, GuardedProcess>();
  let stopped = false;
  const stop = async (graceMs = 5_000) => {
    stopped = true;
    await Promise.all([...others.values()].map(server => server.stop(graceMs)));
    await driver.stop(graceMs);
  };
  try {
    const kubeconfig = join(space.dir, 'csi.kubeconfig');
    await writeKubeconfig(kubeconfig, 'csi', access);
    const socket = [
      '--csi-address',
      join(space.dir, 'kubelet', 'plugins', csiDriverName, 'csi.sock'),
      '--extra-create-metadata',
      '--timeout=60s',
    ];
    /** Sidecars end when they have lost their driver; in a pod the kubelet starts them again. */
    const launch = async (name: string, command: string, args: readonly string[]) => {
      const all = [`--kubeconfig=${kubeconfig}`, ...haste, ...args];
      const server = await startGuarded({ name, command, args: all, logFile: join(dir, `${name}.log`) });
      others.set(name, server);
      if (stopped) await server.stop(0);
      const again = () => sleep(restartMs).then(() => (stopped ? undefined : launch(name, command, args)));
      void server.exited.then(again).catch(() => {});
    };
    await launch('snapshot-controller', programs.controller, [lookAgain]);
    await launch('csi-provisioner', programs.provisioner, socket);
    await launch('csi-snapshotter', programs.snapshotter, [...socket, lookAgain]);
    await waitUntilRegistered(access);
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return {
    dataDir,
    setFaults: async faults => void (await ask(control, 'PUT', '/faults', faults)),
    calls: async () => JSON.parse(await ask(control, 'GET', '/calls')) as Record<string, number>,
    stopDriver: () => driver.stop(5_000),
    startDriver: async () => {
      if (!driver.running()) driver = await startDriver(space, programs.driver, dataDir, control);
      // Whatever they were told of the old one: its socket is another, and what they had put off is due.
      for (const name of ['csi-provisioner', 'csi-snapshotter']) await others.get(name)?.stop(5_000);
    },
    stop,
  };
}

async function startDriver(space: NodeSpace, command: string, dataDir: string, control: string): Promise<GuardedProcess> {
  const server = await space.start({
    name: 'csi-driver',
    command,
    args: [
      ...['-name', csiDriverName, '-node', nodeName, '-data', dataDir, '-control', control],
      ...['-endpoint', `/var/lib/kubelet/plugins/${csiDriverName}/csi.sock`],
      ...['-register', `/var/lib/kubelet/plugins_registry/${csiDriverName}-reg.sock`],
    ],
    logFile: join(space.dir, 'csi-driver.log'),
  });
  const answers = async () => (await ask(control, 'GET', '/calls')) !== '';
  await waitFor('csi-driver ready', answers, { timeoutMs: 60_000 });
  return server;
}

async function waitUntilRegistered(access: Access): Promise<void> {
  const registered = async () => {
    const node = await apiJson<{ spec: { drivers: readonly { name: string }[] | null } }>(
      access,
      `/apis/storage.k8s.io/v1/csinodes/${nodeName}`,
    );
    return node.spec.drivers?.some(({ name }) => name === csiDriverName) ?? false;
  };
  await waitFor(`the kubelet knows ${csiDriverName}`, registered, { timeoutMs: 120_000, intervalMs: 100 });
}

async function ask(socketPath: string, method: string, path: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, timeout: 30_000 }, response => {
      const chunks: Buffer[] = [];
      response.on('data', chunk => chunks.push(chunk));
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
      });
    });
    call.once('timeout', () => call.destroy(new Error(`${path}: no answer in time`)));
    call.once('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
