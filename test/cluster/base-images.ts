import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { DockerEngine } from './docker-engine.ts';
import { type DpkgPackage, neededPackages, parseStatus } from './dpkg-status.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);
const statusFile = 'var/lib/dpkg/status';
const authorities = 'etc/ssl/certs/ca-certificates.crt';

/** What they are made of, besides the packages that are installed here. */
export const baseImagePrograms = ['dpkg-query', 'apt-get', 'tar', 'npm', 'go'] as const;

/**
 * Makes images of the names that a Dockerfile begins with out of this machine’s own files, where no registry answers: a Debian of the essential packages and
 * apt, with this machine’s Node.js and npm, or its Go. They get at package registries as this machine does.
 */
export async function importBaseImages(engine: DockerEngine, images: { readonly node: string; readonly golang: string }): Promise<void> {
  const root = join(await tempDir('base-images'), 'root');
  await mkdir(root);
  await debianRoot(root);
  await addNode(root);
  const npmrc = { npm_config_registry: await said('npm', 'config', 'get', 'registry'), NODE_EXTRA_CA_CERTS: `/${authorities}` };
  await importRoot(engine, root, images.node, npmrc);
  const goRoot = await said('go', 'env', 'GOROOT');
  await cp(goRoot, join(root, 'usr/local/go'), { recursive: true, verbatimSymlinks: true });
  const names = ['GOPROXY', 'GONOSUMDB', 'GOSUMDB', 'GONOPROXY'];
  const values = await Promise.all(names.map(async name => [name, await said('go', 'env', name)] as const));
  const go = { GOPATH: '/go', GOTOOLCHAIN: 'local', PATH: '/usr/local/go/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
  await importRoot(engine, root, images.golang, { ...go, ...Object.fromEntries(values.filter(([, value]) => value !== '')) });
}

async function debianRoot(root: string): Promise<void> {
  const installed = parseStatus(await readFile(join('/', statusFile), 'utf8'));
  const needed = neededPackages(installed, ({ name, essential }) => essential || name === 'apt' || name === 'libstdc++6');
  const listed = (await said('dpkg-query', '--listfiles', ...needed.map(({ query }) => query))).split('\n');
  const facts = needed.flatMap(packageFacts);
  // Where a folder has become a link, packages name what is in it by the old path: the link comes first, and before it what it leads to.
  const folders = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];
  const links = ['/usr', ...folders.map(name => `/usr/${name}`), ...folders.map(name => `/${name}`)];
  const made = [
    '/etc/passwd',
    '/etc/group',
    '/etc/ld.so.cache',
    '/etc/nsswitch.conf',
    '/usr/bin/awk',
    '/etc/alternatives/awk',
    '/etc/resolv.conf',
  ];
  const apt = ['/etc/apt/sources.list', '/etc/apt/sources.list.d', '/etc/apt/apt.conf.d', '/etc/apt/keyrings', '/etc/apt/trusted.gpg.d'];
  const paths = [...links, ...listed, ...facts, ...made].filter(path => path.startsWith('/') && path !== '/.' && existsSync(path));
  await copyPaths(root, [...new Set(paths)], ['--no-recursion']);
  await copyPaths(
    root,
    apt.filter(path => existsSync(path)),
    [],
  );
  for (const folder of [
    'tmp',
    'var/tmp',
    'root',
    'proc',
    'sys',
    'dev',
    'var/lib/dpkg/updates',
    'var/lib/apt/lists/partial',
    'var/cache/apt/archives/partial',
    'etc/ssl/certs',
  ])
    await mkdir(join(root, folder), { recursive: true });
  for (const folder of ['tmp', 'var/tmp']) await chmod(join(root, folder), 0o1777);
  await writeFile(join(root, statusFile), `${needed.map(({ text }) => text).join('\n\n')}\n`);
  await copyFile(join('/', authorities), join(root, authorities));
}

/** Scripts and lists, by which dpkg works with a package. */
function packageFacts({ query, name }: DpkgPackage): string[] {
  const kinds = [
    'list',
    'md5sums',
    'conffiles',
    'preinst',
    'postinst',
    'prerm',
    'postrm',
    'triggers',
    'shlibs',
    'symbols',
    'templates',
    'config',
  ];
  return [query, name].flatMap(one => kinds.map(kind => `/var/lib/dpkg/info/${one}.${kind}`));
}

async function copyPaths(root: string, paths: readonly string[], more: readonly string[]): Promise<void> {
  const from = spawn('tar', ['-C', '/', ...more, '--null', '-T', '-', '-cf', '-'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const to = spawn('tar', ['-C', root, '-xpf', '-'], { stdio: [from.stdout, 'ignore', 'inherit'] });
  from.stdin.end(paths.map(path => `${path.slice(1)}\0`).join(''));
  const code = await new Promise(resolve => to.once('close', resolve));
  if (code !== 0) throw new Error(`files of this machine could not be copied: exit code ${code}`);
}

async function addNode(root: string): Promise<void> {
  const npm = dirname(dirname(await said('readlink', '-f', await said('sh', '-c', 'command -v npm'))));
  const bin = join(root, 'usr/local/bin');
  await mkdir(join(root, 'usr/local/lib/node_modules'), { recursive: true });
  await mkdir(bin, { recursive: true });
  await copyFile(process.execPath, join(bin, 'node'));
  await cp(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx']) await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(bin, name));
}

async function importRoot(engine: DockerEngine, root: string, name: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const changes = Object.entries(environment).flatMap(([key, value]) => ['--change', `ENV ${key}=${JSON.stringify(value)}`]);
  const archive = spawn('tar', ['-C', root, '-cf', '-', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await engine.dockerFrom(archive.stdout, 'import', ...changes, '-', name);
}

async function said(command: string, ...words: readonly string[]): Promise<string> {
  return (await run(command, words, { maxBuffer: 64 << 20 })).stdout.trim();
}
