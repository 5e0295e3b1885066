import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuardedProcess } from './guarded-process.ts';
import { pauseImage } from './images.ts';
import type { NodeSpace } from './node-space.ts';
import { type ImageSpec, writeImage } from './oci-image.ts';
import { waitForServer } from './wait.ts';

const socket = '/run/containerd/containerd.sock';
export const containerRuntimeEndpoint = `unix://${socket}`;

const configuration = (space: NodeSpace, pluginFolder: string, snapshotter: string) => `
version = 2
root = "${join(space.dir, 'containerd')}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${pauseImage.reference}"
restrict_oom_score_adj = true # lowering it takes a right that root in a container lacks
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "${snapshotter}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${pluginFolder}"
conf_dir = "${join(space.dir, 'cni')}"
`;

const network = (space: NodeSpace) => ({
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'pods',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: space.podRange }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
  ],
});

/** Starts containerd in the space, with a network for pods. */
export async function startContainerd(space: NodeSpace, pluginFolder: string, signal?: AbortSignal): Promise<GuardedProcess> {
  for (const folder of ['cni', 'containerd']) await mkdir(join(space.dir, folder), { recursive: true });
  await writeFile(join(space.dir, 'cni', 'pods.conflist'), JSON.stringify(network(space)));
  const config = join(space.dir, 'containerd.toml');
  await writeFile(config, configuration(space, pluginFolder, await snapshotterFor(space)));
  const server = await space.start({
    name: 'containerd',
    command: 'containerd',
    args: ['--config', config],
    logFile: join(space.dir, 'containerd.log'),
  });
  try {
    const answers = async () => (await space.run('ctr', ['--address', socket, 'version'], 5_000)) !== '';
    await waitForServer(server, answers, { timeoutMs: 60_000, signal });
    return server;
  } catch (thrown) {
    await server.stop(0);
    throw thrown;
  }
}

/** An overlay cannot lie on another one, as where this machine is itself a container; then layers are copied. */
async function snapshotterFor(space: NodeSpace): Promise<'overlayfs' | 'native'> {
  const trial = join(space.dir, 'overlay');
  for (const folder of ['lower', 'upper', 'work', 'merged']) await mkdir(join(trial, folder), { recursive: true });
  const layers = `lowerdir=${trial}/lower,upperdir=${trial}/upper,workdir=${trial}/work`;
  try {
    await space.run('mount', ['-t', 'overlay', 'overlay', '-o', layers, `${trial}/merged`]);
    await space.run('umount', [`${trial}/merged`]);
    return 'overlayfs';
  } catch {
    return 'native';
  }
}

/** Brings images from files (tars of OCI layouts) to the node. */
export async function importImage(space: NodeSpace, file: string): Promise<void> {
  await space.run('ctr', ['--address', socket, '--namespace', 'k8s.io', 'images', 'import', file], 300_000);
}

/** Builds the image and brings it to the node. */
export async function addImage(space: NodeSpace, spec: ImageSpec): Promise<void> {
  const file = join(space.dir, `${spec.reference.replaceAll(/[^\w.-]/g, '-')}.tar`);
  await writeImage(spec, file);
  await importImage(space, file);
}
