import { join } from 'node:path';
import { serviceAccountKeyFile } from './api-server.ts';
import { binary, type Progress } from './binaries.ts';
import { type GuardedProcess, startGuarded } from './guarded-process.ts';
import { type Access, writeKubeconfig } from './kubeconfig.ts';

/** Starts the kube-controller-manager with its default controllers; it listens nowhere. */
export async function startControllerManager(dir: string, access: Access, onProgress?: Progress): Promise<GuardedProcess> {
  const command = await binary('kube-controller-manager', onProgress);
  const kubeconfig = join(dir, 'controller-manager.kubeconfig');
  await writeKubeconfig(kubeconfig, 'controller-manager', access);
  return startGuarded({
    name: 'kube-controller-manager',
    command,
    args: [
      `--kubeconfig=${kubeconfig}`,
      '--use-service-account-credentials',
      `--service-account-private-key-file=${serviceAccountKeyFile(dir)}`,
      `--root-ca-file=${access.caFile}`,
      '--leader-elect=false',
      '--secure-port=0',
      '--kube-api-qps=500', // each controller first gets its service account token, one after the other
      '--kube-api-burst=1000',
      '--controllers=*',
      '--horizontal-pod-autoscaler-sync-period=1s', // the autoscaler’s first look comes so much later, and writes
    ],
    logFile: join(dir, 'kube-controller-manager.log'),
  });
}
