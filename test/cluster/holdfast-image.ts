import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { bundle } from '../../deploy/bundle.ts';
import { binary, cacheDir, type Progress } from './binaries.ts';
import { programEntries } from './images.ts';
import { withLock } from './lock.ts';
import { type ImageEntry, type ImageSpec, type WrittenImage, writeImage } from './oci-image.ts';
import { imagesKept, markUsed, pruneFolder } from './prune-cache.ts';
import { tempDir } from './temp-dir.ts';

const projectDir = resolve(import.meta.dirname, '../..');
const home = '/opt/holdfast';
const node = '/usr/local/bin/node';
const authorities = '/etc/ssl/certs/ca-certificates.crt';

export const holdfastReference = 'localhost/holdfast:1';

export interface BuiltImage extends WrittenImage {
  readonly file: string;
}

/**
 * Holdfast, its restic and the Node that runs here in an image like that of deploy/Dockerfile, without a Docker daemon and without a registry.
 * Kept in the cache under a key of everything that goes in.
 */
export async function holdfastImage(onProgress?: Progress): Promise<BuiltImage> {
  const restic = await binary('mover-restic', onProgress);
  const file = join(cacheDir(), 'images', `holdfast-${await keyOf(restic)}.tar`);
  await mkdir(join(cacheDir(), 'images'), { recursive: true });
  await withLock(`${file}.lock`, async () => {
    if (await markUsed(`${file}.json`)) return;
    const work = await tempDir('image');
    try {
      onProgress?.('image: bundling');
      await bundle(join(work, 'dist'));
      onProgress?.('image: packing');
      const written = await writeImage(await holdfastSpec(join(work, 'dist'), restic), file);
      await writeFile(`${file}.json`, JSON.stringify(written));
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  await pruneFolder(join(cacheDir(), 'images'), imagesKept);
  return { ...(JSON.parse(await readFile(`${file}.json`, 'utf8')) as WrittenImage), file };
}

/** Three layers, from what changes seldom to what changes with every commit. */
async function holdfastSpec(dist: string, restic: string): Promise<ImageSpec> {
  return {
    reference: holdfastReference,
    layers: [
      [...(await programEntries(process.execPath, node)), ...system()],
      await programEntries(restic, '/usr/local/bin/restic'),
      [...(await bundled(dist)), ...project('LICENSE'), starter()],
    ],
    // As bin/holdfast starts it; there is no shell here.
    entrypoint: [
      node,
      '--optimize-for-size',
      '--max-semi-space-size=2',
      '--heap-growing-percent=30',
      '--no-sparkplug',
      `${home}/dist/main.js`,
    ],
    environment: { PATH: '/usr/local/bin:/usr/bin:/bin', MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576', NODE_ENV: 'production' },
    user: '65532:65532',
    workingDir: '/',
    labels: { 'org.opencontainers.image.title': 'holdfast', 'org.opencontainers.image.licenses': 'Apache-2.0' },
  };
}

function system(): readonly ImageEntry[] {
  return [
    { kind: 'file', path: authorities, source: authorities, mode: 0o644 },
    { kind: 'folder', path: '/tmp', mode: 0o1777 },
    { kind: 'text', path: '/etc/passwd', text: 'root:x:0:0::/:/sbin/nologin\nnonroot:x:65532:65532::/tmp:/sbin/nologin\n' },
    { kind: 'text', path: '/etc/group', text: 'root:x:0:\nnonroot:x:65532:\n' },
    { kind: 'text', path: '/etc/nsswitch.conf', text: 'hosts: files dns\n' },
  ];
}

function project(...files: string[]): readonly ImageEntry[] {
  return files.map(file => ({ kind: 'file', path: join(home, file), source: join(projectDir, file), mode: 0o644 }));
}

/** `holdfast` by its name, for whoever runs a command in the container. */
function starter(): ImageEntry {
  return { kind: 'text', path: '/usr/local/bin/holdfast', text: `#!${node}\nimport('${home}/dist/main.js');\n`, mode: 0o755 };
}

async function bundled(dist: string): Promise<readonly ImageEntry[]> {
  return (await filesBelow(dist)).map(file => ({ kind: 'file', path: join(home, 'dist', file), source: join(dist, file), mode: 0o644 }));
}

async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}

/** Of the sources and whatever turns them into the image. */
async function keyOf(restic: string): Promise<string> {
  const hash = createHash('sha256');
  const sources = (await filesBelow(join(projectDir, 'src'))).filter(file => !file.endsWith('.test.ts'));
  for (const file of sources) hash.update(`${file}\0`).update(await readFile(join(projectDir, 'src', file)));
  for (const file of ['package.json', 'package-lock.json', 'deploy/bundle.ts', 'deploy/leaner.ts', 'deploy/kept-packages.ts', 'LICENSE'])
    hash.update(await readFile(join(projectDir, file)));
  for (const file of ['holdfast-image.ts', 'images.ts', 'oci-image.ts']) {
    hash.update(await readFile(join(import.meta.dirname, file)));
  }
  return hash
    .update(`${process.version} ${basename(restic)}`)
    .digest('hex')
    .slice(0, 12);
}

if (import.meta.main) {
  const target = resolve(process.argv[2] ?? '.demo/holdfast-image.tar');
  const image = await holdfastImage(line => console.log(line));
  await mkdir(resolve(target, '..'), { recursive: true });
  await copyFile(image.file, target);
  console.log(`${target}: ${image.reference}, ${(image.bytes / 1e6).toFixed(1)} MB compressed; ctr -n k8s.io images import ${target}`);
}
