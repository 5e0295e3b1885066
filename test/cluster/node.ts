import { join } from 'node:path';
import { binary, type Progress } from './binaries.ts';
import { addImage, importImage } from './containerd.ts';
import { type Csi, startCsi } from './csi.ts';
import { type GuardedProcess, startGuarded } from './guarded-process.ts';
import { type Access, writeKubeconfig } from './kubeconfig.ts';
import { type KubeletClient, nodeName, startKubelet } from './kubelet.ts';
import type { NodeSpace } from './node-space.ts';
import type { ImageSpec } from './oci-image.ts';
import { allEnded } from './wait.ts';

/** A real node: pods run on it, services lead to them, claims are bound and snapshots taken. */
export interface TestNode {
  readonly name: string;
  /** Of this machine, as pods reach it: where servers listen that pods shall use. */
  readonly hostAddress: string;
  /** Of the node. Pods and services are reachable from this machine, too, by their own addresses. */
  readonly address: string;
  readonly csi: Csi;
  /** Files of the node's programs, with their logs. */
  readonly dir: string;
  /** Builds an image from files and brings it to the node; pods need `imagePullPolicy: Never` or `IfNotPresent`. */
  addImage(spec: ImageSpec): Promise<void>;
  /** Brings an image that is already a file: the tar of an OCI layout. */
  importImage(file: string): Promise<void>;
  /** A program among the node's processes and mounts: `losetup`, `ctr`, `iptables`. */
  run(program: string, args: readonly string[]): Promise<string>;
  /** The kubelet is gone and the containers run on, as when a node is not reachable; and it is back. */
  stopKubelet(): Promise<void>;
  startKubelet(): Promise<void>;
  /** The node's servers are gone, containers run on until the space is stopped. */
  stop(graceMs?: number): Promise<void>;
}

export interface NodeOptions {
  readonly space: NodeSpace;
  readonly access: Access;
  /** For logs and kubeconfigs of what runs beside the node. */
  readonly dir: string;
  readonly kubeletClient: KubeletClient;
  /** As `startContainerd` gives them. */
  readonly containers: Promise<GuardedProcess>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: Progress | undefined;
}

/** Starts what makes a node of the space and its containers. */
export async function startNode(options: NodeOptions): Promise<TestNode> {
  const { space, access, kubeletClient } = options;
  const started: GuardedProcess[] = [];
  const parts: { kubelet?: GuardedProcess; csi?: Csi } = {};
  const stop = async (graceMs = 5_000) => {
    await parts.csi?.stop(graceMs);
    await Promise.all([parts.kubelet, ...started].map(server => server?.stop(graceMs)));
  };
  try {
    started.push(await startScheduler(options));
    started.push(await options.containers);
    const startAgain = async () => {
      parts.kubelet = await startKubelet(space, access, kubeletClient, options);
    };
    const startStorage = async () => {
      parts.csi = await startCsi(space, access, options.dir, options.onProgress);
      return parts.csi;
    };
    const [csi] = await allEnded([startStorage(), startAgain(), startProxy(options).then(proxy => started.push(proxy))]);
    return {
      name: nodeName,
      hostAddress: space.hostAddress,
      address: space.nodeAddress,
      csi,
      dir: space.dir,
      addImage: spec => addImage(space, spec),
      importImage: file => importImage(space, file),
      run: (program, args) => space.run(program, args),
      stopKubelet: async () => void (await parts.kubelet?.stop(10_000)),
      startKubelet: async () => {
        if (!parts.kubelet?.running()) await startAgain();
      },
      stop,
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

async function startScheduler({ dir, access, onProgress }: NodeOptions): Promise<GuardedProcess> {
  const kubeconfig = join(dir, 'scheduler.kubeconfig');
  await writeKubeconfig(kubeconfig, 'scheduler', access);
  const args = [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--secure-port=0',
    '--kube-api-qps=200',
    '--kube-api-burst=400',
  ];
  const command = await binary('kube-scheduler', onProgress);
  return startGuarded({ name: 'kube-scheduler', command, args, logFile: join(dir, 'kube-scheduler.log') });
}

async function startProxy({ space, access, onProgress }: NodeOptions): Promise<GuardedProcess> {
  const kubeconfig = join(space.dir, 'kube-proxy.kubeconfig');
  await writeKubeconfig(kubeconfig, 'kube-proxy', access);
  const args = [
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${nodeName}`,
    `--cluster-cidr=${space.podRange}`,
    '--proxy-mode=iptables',
    '--conntrack-max-per-core=0', // a setting of the whole machine
    '--iptables-min-sync-period=100ms',
  ];
  const command = await binary('kube-proxy', onProgress);
  return space.start({ name: 'kube-proxy', command, args, logFile: join(space.dir, 'kube-proxy.log') });
}
