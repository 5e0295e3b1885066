import { type BinaryName, binary } from '../cluster/binaries.ts';

const always = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'workflow-controller'] as const satisfies BinaryName[];
const forNode = [
  ...(['kubelet', 'kube-scheduler', 'kube-proxy', 'csi-driver', 'snapshot-controller', 'csi-provisioner', 'csi-snapshotter'] as const),
  ...(['minio', 'mover-restic'] as const),
] satisfies BinaryName[];

/** Builds what a demonstration runs on where it is missing: what that takes is no part of it. */
export async function prepareServers(node: boolean, onProgress: (line: string) => void): Promise<void> {
  for (const name of [...always, ...(node ? forNode : [])]) await binary(name, onProgress);
}
