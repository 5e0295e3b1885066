import type { TestUser } from './api-server.ts';
import { type Argo, startArgo } from './argo.ts';
import { takeExistingCluster } from './existing-cluster.ts';
import { startK3sCluster } from './k3s-cluster.ts';
import { startNativeCluster } from './native-cluster.ts';
import type { TestNode } from './node.ts';
import type { ImageFile } from './prepared-images.ts';

/** A real Kubernetes control plane. Without a node nothing runs in pods, everything else is as in production. */
export interface TestCluster {
  /** An `existing` cluster refuses to stop its API server, and destroying it leaves it as it is. */
  readonly kind: 'native' | 'k3s' | 'existing';
  readonly name: string;
  /** Path of a kubeconfig with all rights. */
  readonly kubeconfig: string;
  /** https URL */
  readonly server: string;
  /** Bearer token of a member of system:masters. */
  readonly token: string;
  readonly caFile: string;
  /** Data, logs and configuration of its servers. */
  readonly dir: string;
  /** http URL of its etcd, where that is a process of this machine. */
  readonly etcdUrl?: string;
  /** Where one was asked for. */
  readonly node?: TestNode;
  /** etcd keeps running; the address stays the same. */
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  /** Everything down, data kept until this process ends. */
  stop(): Promise<void>;
  /** Everything down, data deleted; may be called twice. */
  destroy(): Promise<void>;
}

export interface ClusterOptions {
  readonly name?: string;
  /** Run the kube-controller-manager; default true. */
  readonly controllers?: boolean;
  /** Argo Workflows: its definitions, configuration and controller; default false. The definitions are those of Argo’s own installation, unless `full`. */
  readonly argo?: boolean | 'full';
  /** A node that runs pods, with storage that takes snapshots; default false. Throws where `nodeSupport` says that none can run. */
  readonly node?: boolean;
  /** Images that the node has from the start, beside its own two: what was unpacked for one node is there for the next. */
  readonly images?: readonly ((onProgress?: (line: string) => void) => Promise<ImageFile>)[];
  /** Further flags of the API server. */
  readonly apiServerArgs?: readonly string[];
  /** Further users known by token, without any right until a binding gives them one. */
  readonly users?: readonly TestUser[];
  /** Faster start, data not safe against a crash of the machine; default false. */
  readonly unsafeNoFsync?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
}

/**
 * Starts a cluster of its own for the caller; several run side by side. It is one of HOLDFAST_TEST_KUBECONFIG, else k3s in a container
 * where an engine has its image, else processes of this machine; the last also where the options ask for what the others cannot give.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const cluster = (await takeExistingCluster(options)) ?? (await startK3sCluster(options)) ?? (await startNativeCluster(options));
  if (!options.argo) return cluster;
  try {
    const definitions = options.argo === 'full' ? 'full' : 'minimal';
    return withArgo(cluster, await startArgo(cluster, { definitions, signal: options.signal, onProgress: options.onProgress }));
  } catch (thrown) {
    await cluster.destroy();
    throw thrown;
  }
}

/** A cluster that has its node. */
export type ClusterWithNode = TestCluster & { readonly node: TestNode };

/** `startCluster` with a node. */
export async function startClusterWithNode(options: ClusterOptions = {}): Promise<ClusterWithNode> {
  const cluster = await startCluster({ ...options, node: true });
  if (cluster.node) return { ...cluster, node: cluster.node };
  await cluster.destroy();
  throw new Error('the cluster came without its node');
}

function withArgo(cluster: TestCluster, argo: Argo): TestCluster {
  return {
    ...cluster,
    stop: async () => {
      await argo.stop();
      await cluster.stop();
    },
    destroy: async () => {
      await argo.stop();
      await cluster.destroy();
    },
  };
}

export { startArgo };
