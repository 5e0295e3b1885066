import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BuiltImage, holdfastImage } from './holdfast-image.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);
const projectDir = resolve(import.meta.dirname, '../..');
const isRoot = process.getuid?.() === 0;

interface ImageConfig {
  readonly config: { readonly Entrypoint: string[]; readonly Env: string[]; readonly User: string };
}

let image: BuiltImage;
let dir: string;
let root: string;
let config: ImageConfig['config'];

beforeAll(async () => {
  image = await holdfastImage();
  dir = await tempDir('image-test');
  root = join(dir, 'root');
  await mkdir(join(root, 'dev'), { recursive: true });
  const read = async (name: string) => JSON.parse((await run('tar', ['-xOf', image.file, name], { maxBuffer: 1 << 20 })).stdout);
  const blob = (digest: string) => `blobs/sha256/${digest.slice('sha256:'.length)}`;
  const manifest = await read(blob((await read('index.json')).manifests[0].digest));
  config = ((await read(blob(manifest.config.digest))) as ImageConfig).config;
  for (const layer of manifest.layers as { digest: string }[]) {
    await run('/bin/sh', ['-c', 'tar -xOf "$1" "$2" | tar -xzf - -C "$3"', 'sh', image.file, blob(layer.digest), root]);
  }
});

/** In the image’s files, which cannot be written, as the image’s user, with nothing of the environment of this process. */
async function inImage(...words: string[]): Promise<string> {
  const script = `
    mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && mount -t tmpfs -o mode=1777 tmpfs "$1/tmp" && mount --bind /dev "$1/dev" &&
    root=$1 && user=$2 && shift 2 && exec chroot --userspec="$user" "$root" "$@"`;
  const env = Object.fromEntries(config.Env.map(line => line.split(/=(.*)/s).slice(0, 2) as [string, string]));
  const host = { ...env, PATH: `${env['PATH']}:/usr/sbin:/sbin:${process.env['PATH']}` };
  const { stdout } = await run('unshare', ['--mount', '/bin/sh', '-ec', script, 'sh', root, config.User, ...words], { env: host });
  return stdout.trim();
}

describe('the image', () => {
  it('has at most 150 MB, compressed', () => expect(image.bytes).toBeLessThan(150e6));

  it('is built once for the same files', async () => {
    const before = (await stat(image.file)).mtimeMs;
    expect((await holdfastImage()).digest).toBe(image.digest);
    expect((await stat(image.file)).mtimeMs).toBe(before);
  });

  it('names the licence of every dependency, and of no tool of development', async () => {
    const licences = await readFile(join(root, 'opt/holdfast/dist/LICENSES.txt'), 'utf8');
    const named = Array.from(licences.matchAll(/^(\S+) \d+\.\d+\.\d+\S*: \S/gm), ([, name]) => name);
    const { dependencies, devDependencies } = JSON.parse(await readFile(join(projectDir, 'package.json'), 'utf8'));
    const kept = await readdir(join(root, 'opt/holdfast/dist/node_modules/@fastify'));
    const packaged = kept.map(name => `@fastify/${name}`);
    for (const name of Object.keys(dependencies)) expect([...named, ...packaged]).toContain(name);
    for (const name of Object.keys(devDependencies)) expect([...named, ...packaged]).not.toContain(name);
  });

  it('starts as that of the Dockerfile does: same entry point, user and environment', async () => {
    const dockerfile = await readFile(join(projectDir, 'deploy/Dockerfile'), 'utf8');
    expect(dockerfile).toContain(`ENTRYPOINT [${config.Entrypoint.map(word => JSON.stringify(word)).join(', ')}]`);
    expect(dockerfile).toContain(`USER ${config.User}\n`);
    for (const variable of config.Env.filter(line => !line.startsWith('PATH='))) expect(dockerfile).toContain(variable);
    const starter = await readFile(join(projectDir, 'bin/holdfast'), 'utf8');
    expect(starter).toContain(config.Entrypoint.slice(1, -1).join(' '));
  });
});

describe.skipIf(!isRoot)('in a container of it, with a read-only root, as its own user,', () => {
  it('holdfast and restic run', async () => {
    expect(await inImage(...config.Entrypoint, 'version')).toMatch(/^holdfast \d/);
    expect(await inImage('/usr/local/bin/holdfast', 'version')).toMatch(/^holdfast \d/);
    expect(await inImage('/usr/local/bin/restic', 'version')).toMatch(/^restic 0\.\d+/);
  });

  it('every module loads that a service or a command may ask for', async () => {
    const bundled = await readdir(join(root, 'opt/holdfast/dist'));
    // Those that begin to work when they are loaded.
    const files = bundled.filter(file => file.endsWith('.js') && !/^main\.js$|^device-reader\.js$|-worker\.js$/.test(file));
    const all = files.map(file => `import('/opt/holdfast/dist/${file}')`).join(', ');
    await writeFile(join(root, 'opt/holdfast/load.mjs'), `await Promise.all([${all}]); console.log('loaded'); process.exit(0);`);
    expect(await inImage('/usr/local/bin/node', '/opt/holdfast/load.mjs')).toBe('loaded');
  });

  it('a mover backs up', async () => {
    for (const folder of ['data', 'secrets']) await mkdir(join(root, folder));
    await writeFile(join(root, 'data/file'), 'x');
    await writeFile(join(root, 'secrets/password'), 'password');
    await chmod(join(root, 'data'), 0o755);
    const tuning = { compression: 'auto', connections: 4, readConcurrency: 2, packSize: 16 };
    const facts = { host: 'agents/workspace', tags: [], time: '2026-11-23T02:00:00Z', repository: '/tmp/repository', options: [], tuning };
    const request = JSON.stringify({ action: 'backup', mode: 'Filesystem', path: '/data', ...facts });
    const flags = ['--secrets-dir', '/secrets', '--result-file', '/tmp/result'];
    const said = await inImage(...config.Entrypoint, 'mover', request, ...flags);
    expect(JSON.parse(said)).toMatchObject({ ok: true, action: 'backup', files: 1 });
  });
});
