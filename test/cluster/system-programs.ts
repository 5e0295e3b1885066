import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program of the machine’s own system, which Debian has in a package. */
export interface SystemProgram {
  readonly name: string;
  readonly package: string;
  /** A `node` runs pods and volumes, for tests and the demonstration; the rest is of single tests. */
  readonly use: 'node' | 'tests';
  /** Whether it is there, by that PATH. */
  readonly there: (path: string) => boolean;
}

const onPath = (use: SystemProgram['use'], packages: Readonly<Record<string, string>>): SystemProgram[] =>
  Object.entries(packages).map(([name, of]) => ({ name, use, package: of, there: path => findProgram(name, path) !== undefined }));

const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];

export const systemPrograms: readonly SystemProgram[] = [
  // The stock programs of the documents, which bring a backup back or ask the API without Holdfast.
  ...onPath('tests', { bash: 'bash', tar: 'tar', zstd: 'zstd', jq: 'jq', openssl: 'openssl', curl: 'curl' }),
  // Which processes are left; attributes of files.
  ...onPath('tests', { ps: 'procps', python3: 'python3' }),
  // What fuzzes the API comes from a package index into an environment of its own.
  { name: 'python3 -m venv', use: 'tests', package: 'python3-venv', there: makesEnvironments },
  ...onPath('node', {
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
  }),
  { name: '/bin/busybox', use: 'node', package: 'busybox-static', there: () => isProgram('/bin/busybox') },
  { name: 'bridge', use: 'node', package: 'containernetworking-plugins', there: () => pluginFolder() !== undefined },
];

/** Where the plugins of the container network are. */
export function pluginFolder(): string | undefined {
  return pluginFolders.find(folder => isProgram(join(folder, 'bridge')));
}

/** With the folders that a user’s PATH may lack. */
export function searchPath(path = process.env.PATH ?? ''): string {
  return [path, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(delimiter);
}

/** Where a program is; undefined when it is not in the PATH. */
export function findProgram(name: string, path = process.env.PATH ?? ''): string | undefined {
  return path
    .split(delimiter)
    .filter(folder => folder !== '')
    .map(folder => join(folder, name))
    .find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function makesEnvironments(path: string): boolean {
  try {
    execFileSync('python3', ['-c', 'import venv, ensurepip'], { stdio: 'ignore', env: { PATH: path } });
    return true;
  } catch {
    return false;
  }
}
