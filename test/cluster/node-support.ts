import { execFile } from 'node:child_process';
import { access, constants, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pluginFolder, searchPath, systemPrograms } from './system-programs.ts';

const run = promisify(execFile);

export const controlGroupRoot = '/sys/fs/cgroup';

/** What a node does first, in namespaces that are gone with the command. */
const trial = `
mount --make-rshared / && mount -t tmpfs tmpfs /run && ip link add first type veth peer name second &&
iptables -t nat -A POSTROUTING -m comment --comment trial -j MASQUERADE && mount -o bind /dev/null /proc/sys/kernel/panic`;

export type NodeSupport =
  | { readonly supported: true; readonly pluginFolder: string }
  | { readonly supported: false; readonly reason: string };

/** Whether a node can run on this machine, with the reason where it cannot. Leaves nothing behind. */
export async function nodeSupport(): Promise<NodeSupport> {
  const trouble = await basicNodeTrouble();
  if (trouble) return no(trouble);
  const missing = systemPrograms.filter(({ use, there }) => use === 'node' && !there(searchPath()));
  const plugins = pluginFolder();
  if (missing.length > 0 || !plugins) {
    return no(`packages are missing: ${[...new Set(missing.map(program => program.package))].join(', ')}`);
  }
  const groups = await controlGroupTrouble();
  if (groups) return no(groups);
  const failed = await unshareTrouble('/bin/sh', '-c', trial);
  return failed ? no(`namespaces or networks cannot be made: ${failed}`) : { supported: true, pluginFolder: plugins };
}

/** Why no node can run here whatever is installed: the rights of this process, or HOLDFAST_TEST_NODE=off. */
export async function basicNodeTrouble(): Promise<string | undefined> {
  if (process.env['HOLDFAST_TEST_NODE'] === 'off') return 'HOLDFAST_TEST_NODE is off';
  if (process.platform !== 'linux') return 'a node needs Linux';
  if (process.getuid?.() !== 0) return 'a node needs root';
  const failed = await unshareTrouble('/bin/true');
  return failed && `a node needs namespaces, which cannot be made here (${failed})`;
}

async function unshareTrouble(...command: string[]): Promise<string | undefined> {
  try {
    await run('unshare', [...namespaces, ...command], { timeout: 60_000, env: nodeEnvironment() });
    return undefined;
  } catch (thrown) {
    const { stderr, message } = thrown as { stderr?: string; message: string };
    return (stderr || message).trim();
  }
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

function no(reason: string): NodeSupport {
  return { supported: false, reason };
}

async function exists(path: string, mode: number = constants.R_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
