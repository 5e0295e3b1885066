import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuardedProcess } from './guarded-process.ts';
import { pauseImage } from './images.ts';
import type { NodeSpace } from './node-space.ts';
import { type ImageSpec, writeImage } from './oci-image.ts';
import { type ImageFile, linkImages, preparedImages } from './prepared-images.ts';
import { waitForServer } from './wait.ts';

const socket = '/run/containerd/containerd.sock';
export const containerRuntimeEndpoint = `unix://${socket}`;

const configuration = (space: NodeSpace, root: string, pluginFolder: string, snapshotter: string) => `
version = 2
root = "${root}"
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

export interface ContainerdOptions {
  readonly pluginFolder: string;
  /** Beside `localhost/pause:1` and `localhost/tools:1`. */
  readonly images: readonly ImageFile[];
  readonly signal?: AbortSignal | undefined;
}

/** Starts containerd in the space, with images and a network for pods. */
export async function startContainerd(space: NodeSpace, { pluginFolder, images, signal }: ContainerdOptions): Promise<GuardedProcess> {
  await mkdir(join(space.dir, 'cni'), { recursive: true });
  await writeFile(join(space.dir, 'cni', 'pods.conflist'), JSON.stringify(network(space)));
  const snapshotter = await snapshotterFor(space);
  const startOn = (root: string) => startServer(space, configuration(space, root, pluginFolder, snapshotter), signal);
  const prepared = await preparedImages({
    images,
    runtime: [snapshotter, await space.run('containerd', ['--version'])],
    importAll: async (root, files) => {
      const server = await startOn(root);
      try {
        for (const file of files) await importImage(space, file);
      } finally {
        await server.stop();
      }
    },
  });
  const root = join(space.dir, 'containerd');
  await linkImages(prepared, root);
  return startOn(root);
}

async function startServer(space: NodeSpace, configured: string, signal: AbortSignal | undefined): Promise<GuardedProcess> {
  const config = join(space.dir, 'containerd.toml');
  await writeFile(config, configured);
  const server = await space.start({
    name: 'containerd',
    command: 'containerd',
    args: ['--config', config],
    logFile: join(space.dir, 'containerd.log'),
  });
  try {
    const answers = async () => (await space.run('ctr', ['--address', socket, 'version'], 5_000)) !== '';
    await waitForServer(server, answers, { timeoutMs: 120_000, signal });
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
