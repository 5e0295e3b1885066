import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiRequest } from './api-request.ts';
import type { ClusterOptions, TestCluster } from './cluster.ts';
import { containersAvailable } from './containers.ts';
import { connectWith } from './existing-cluster.ts';
import { type GuardedDir, makeGuardedDir } from './guarded-dir.ts';
import { freePort } from './ports.ts';
import { waitFor } from './wait.ts';

/** Same minor version as the native servers. */
const k3sImage = 'rancher/k3s:v1.37.2-k3s1';

/** Fetches the image where containers may be used and no copy is there; without it clusters are native. Takes 3 minutes at most. */
export async function fetchK3sImage(onProgress: (line: string) => void): Promise<void> {
  if (!(await containersAvailable()) || (await hasImage(k3sImage))) return;
  const { getContainerRuntimeClient, ImageName } = await import('testcontainers');
  const engine = await getContainerRuntimeClient();
  const limit = AbortSignal.timeout(180_000);
  const tooLate = new Promise<never>((_, reject) => limit.addEventListener('abort', () => reject(limit.reason), { once: true }));
  try {
    await Promise.race([engine.image.pull(ImageName.fromString(k3sImage)), tooLate]);
  } catch (thrown) {
    onProgress(`${k3sImage}: not to be had (${(thrown as Error).message}), clusters run natively`);
  }
}

/** Kubernetes in a container; undefined when none may be used, its image is missing, or the options ask for what it cannot give. */
export async function startK3sCluster(options: ClusterOptions, image = k3sImage): Promise<TestCluster | undefined> {
  if (options.node || options.users || options.apiServerArgs || options.controllers === false || options.unsafeNoFsync) return undefined;
  if (!(await containersAvailable()) || !(await hasImage(image))) return undefined;
  const dir = await makeGuardedDir('holdfast-k3s-');
  try {
    return await startIn(dir, image, options.name ?? `test-${randomBytes(3).toString('hex')}`);
  } catch (thrown) {
    await dir.remove();
    options.onProgress?.(`k3s: ${(thrown as Error).message}; the cluster runs natively`);
    return undefined;
  }
}

async function hasImage(image: string): Promise<boolean> {
  const { getContainerRuntimeClient, ImageName } = await import('testcontainers');
  return (await getContainerRuntimeClient()).image.exists(ImageName.fromString(image));
}

async function startIn(dir: GuardedDir, image: string, name: string): Promise<TestCluster> {
  const { K3sContainer } = await import('@testcontainers/k3s');
  const { getContainerRuntimeClient } = await import('testcontainers');
  // A fixed port, so that the address is the same after a restart.
  const k3s = await new K3sContainer(image).withExposedPorts({ container: 6443, host: await freePort() }).start();
  try {
    const given = join(dir.path, 'k3s.kubeconfig');
    await writeFile(given, k3s.getKubeConfig(), { mode: 0o600 });
    const connection = await connectWith(given, dir.path, name);
    const engine = (await getContainerRuntimeClient()).container;
    const container = engine.getById(k3s.getId());
    const stop = async () => {
      if ((await engine.inspect(container)).State.Running) await engine.stop(container, { timeout: 15 });
    };
    const ready = async () => (await apiRequest(connection, '/readyz', { timeoutMs: 5_000 })).status === 200;
    const untilReady = () => waitFor('k3s ready', ready, { timeoutMs: 120_000, intervalMs: 200 });
    const startApiServer = async () => {
      if (!(await engine.inspect(container)).State.Running) await engine.start(container);
      await untilReady();
    };
    const destroy = async () => {
      await k3s.stop({ timeout: 10_000 });
      await dir.remove();
    };
    // From here: its certificate need not be for the address that an engine gives to a process which is in a container itself.
    await untilReady();
    return { ...connection, kind: 'k3s', name, dir: dir.path, stopApiServer: stop, startApiServer, stop, destroy };
  } catch (thrown) {
    await k3s.stop();
    throw thrown;
  }
}
