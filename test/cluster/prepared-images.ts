import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from './binaries.ts';
import { busybox, pauseImage, toolsImage } from './images.ts';
import { withLock } from './lock.ts';
import { writeImage } from './oci-image.ts';
import { imagesKept, markUsed, pruneFolder } from './prune-cache.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** An image as a file (the tar of an OCI layout), with the digest of its manifest. */
export interface ImageFile {
  readonly file: string;
  readonly digest: string;
}

export interface Preparation {
  /** Beside the images `localhost/pause:1` and `localhost/tools:1`. */
  readonly images: readonly ImageFile[];
  /** What unpacks them, and how: a folder is good for the same again. */
  readonly runtime: readonly string[];
  /** Runs containerd with `root` as its folder while it brings the files in. */
  importAll(root: string, files: readonly string[]): Promise<void>;
}

/**
 * A containerd's folder with images in it, unpacked once and kept in the cache: that takes three seconds of the processor for Holdfast's own, and
 * each node of the tests wants it. Nobody writes to it; `linkImages` makes a node's own of it.
 */
export async function preparedImages(preparation: Preparation): Promise<string> {
  const folder = join(cacheDir(), 'nodes');
  const target = join(folder, `images-${await keyOf(preparation)}`);
  if (!(await markUsed(target))) {
    await mkdir(folder, { recursive: true });
    await withLock(`${target}.lock`, async () => {
      if (!(await markUsed(target))) await prepare(preparation, target);
    });
    await pruneFolder(folder, imagesKept);
  }
  return target;
}

/** It appears when it is complete. */
async function prepare({ images, importAll }: Preparation, target: string): Promise<void> {
  const [work, root] = [await tempDir('images'), `${target}.${randomUUID()}`];
  try {
    const own = [pauseImage, await toolsImage()].map(async (spec, n) => {
      const file = join(work, `${n}.tar`);
      await writeImage(spec, file);
      return file;
    });
    await importAll(root, [...(await Promise.all(own)), ...images.map(({ file }) => file)]);
    await rename(root, target).catch(async thrown => {
      // Somebody took the lock over, and was sooner.
      if (!(await markUsed(target))) throw thrown;
    });
  } finally {
    await rm(root, { recursive: true, force: true });
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Makes a node's folder of a prepared one. Contents and layers are never written to by anybody and are the same files; databases are copies. On
 * another file system all of it is.
 */
export async function linkImages(prepared: string, root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  try {
    await run('cp', ['-a', '--link', `${prepared}/.`, root]);
  } catch {
    await run('cp', ['-a', '--reflink=auto', '--remove-destination', `${prepared}/.`, root]);
    return;
  }
  for (const plugin of await readdir(prepared)) {
    const databases = (await readdir(join(prepared, plugin))).filter(name => name.endsWith('.db'));
    for (const name of databases) await run('cp', ['-a', '--remove-destination', join(prepared, plugin, name), join(root, plugin, name)]);
  }
}

async function keyOf({ images, runtime }: Preparation): Promise<string> {
  const hash = createHash('sha256');
  const sources = ['images.ts', 'oci-image.ts', 'prepared-images.ts'].map(file => join(import.meta.dirname, file));
  for (const file of [busybox, ...sources]) hash.update(await readFile(file));
  return hash
    .update(JSON.stringify([runtime, images.map(({ digest }) => digest)]))
    .digest('hex')
    .slice(0, 12);
}
