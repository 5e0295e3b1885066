import { execFile } from 'node:child_process';
import { access, constants, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian's package of each program that a node needs. */
const packages = {
  containerd: 'containerd',
  ctr: 'containerd',
  'containerd-shim-runc-v2': 'containerd',
  runc: 'runc',
  iptables: 'iptables',
  conntrack: 'conntrack',
  ip: 'iproute2',
  losetup: 'mount',
  nsenter: 'util-linux',
  'mkfs.ext4': 'e2fsprogs',
  openssl: 'openssl',
} as const satisfies Record<string, string>;

const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];

export const controlGroupRoot = '/sys/fs/cgroup';

/** What a node does first, in namespaces that are gone with the command. */
const trial = `
mount --make-rshared / && mount -t tmpfs tmpfs /run && ip link add first type veth peer name second &&
iptables -t nat -A POSTROUTING -m comment --comment trial -j MASQUERADE && mount -o bind /dev/null /proc/sys/kernel/panic`;

export type NodeSupport =
  | { readonly supported: true; readonly pluginFolder: string }
  | { readonly supported: false; readonly reason: string };

/**
 * What becomes of tests that need a node. Where none can run they are left out; with HOLDFAST_TEST_REQUIRE_NODE=1 they fail, so that a machine
 * that shall run everything cannot pass without them.
 */
export function nodeDuty({ supported }: NodeSupport, environment: NodeJS.ProcessEnv): 'run' | 'skip' | 'fail' {
  if (supported) return 'run';
  return environment['HOLDFAST_TEST_REQUIRE_NODE'] === '1' ? 'fail' : 'skip';
}

/** Whether a node can run on this machine, with the reason where it cannot. Leaves nothing behind. */
export async function nodeSupport(): Promise<NodeSupport> {
  if (process.platform !== 'linux') return no('a node needs Linux');
  if (process.getuid?.() !== 0) return no('a node needs root');
  const missing = new Set<string>();
  for (const [program, name] of Object.entries(packages)) if (!(await inPath(program))) missing.add(name);
  if (!(await exists('/bin/busybox'))) missing.add('busybox-static');
  const pluginFolder = await firstWith(pluginFolders, 'bridge');
  if (!pluginFolder) missing.add('containernetworking-plugins');
  if (missing.size > 0 || !pluginFolder) return no(`packages are missing: ${[...missing].join(', ')}`);
  const groups = await controlGroupTrouble();
  if (groups) return no(groups);
  try {
    await run('unshare', [...namespaces, '/bin/sh', '-c', trial], { timeout: 20_000, env: nodeEnvironment() });
  } catch (thrown) {
    const { stderr, message } = thrown as { stderr?: string; message: string };
    return no(`namespaces or networks cannot be made: ${(stderr || message).trim()}`);
  }
  return { supported: true, pluginFolder };
}

/** With cgroup v2 the root has to hand its controllers on, which it refuses where it has processes itself, as in many containers. */
async function controlGroupTrouble(): Promise<string | undefined> {
  if (!(await exists(controlGroupRoot, constants.W_OK))) return 'control groups cannot be written';
  if (!(await exists(join(controlGroupRoot, 'cgroup.controllers')))) return undefined;
  try {
    await writeFile(join(controlGroupRoot, 'cgroup.subtree_control'), '+cpu +memory +pids');
    return undefined;
  } catch (thrown) {
    return `control groups cannot be handed on: ${(thrown as Error).message}`;
  }
}

/** Arguments of `unshare` for what a node has of its own. */
export const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--propagation', 'private'] as const;

/** With the folders that a user's PATH may lack. */
export function nodeEnvironment(): Record<string, string> {
  return { ...(process.env as Record<string, string>), PATH: searchPath() };
}

function searchPath(): string {
  return [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(delimiter);
}

function no(reason: string): NodeSupport {
  return { supported: false, reason };
}

async function inPath(program: string): Promise<boolean> {
  return (await firstWith(searchPath().split(delimiter).filter(Boolean), program)) !== undefined;
}

async function firstWith(folders: readonly string[], name: string): Promise<string | undefined> {
  for (const folder of folders) if (await exists(join(folder, name), constants.X_OK)) return folder;
  return undefined;
}

async function exists(path: string, mode: number = constants.R_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
