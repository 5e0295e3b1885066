import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageEntry } from './oci-image.ts';

interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
}

/** Types, sources of maps and papers: nothing at run time reads them. Licences stay. */
const notNeeded = /\.(d\.ts|d\.mts|d\.cts|map|md|markdown|flow)$/i;
const folders = new Set(['test', 'tests', '__tests__', 'dist-types', 'benchmark', 'benchmarks', '.github', 'prebuilds']);
/** Brings the Node of `npm run`; an image has its own. Types are for compilers. */
const leftOut = /^node_modules\/(?:.*\/)?(node-linux-\w+|@types\/[\w-]+)$/;

/** Folders below the project of what `npm install --omit=dev` would leave, as the lock file says. */
export async function productionPackages(projectDir: string): Promise<readonly string[]> {
  const lock = JSON.parse(await readFile(join(projectDir, 'package-lock.json'), 'utf8')) as { packages: Record<string, LockedPackage> };
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true && !leftOut.test(path))
    .map(([path]) => path)
    .sort();
}

/** The files of these packages below `target`. Optional ones that are not installed here are left out. */
export async function packageEntries(projectDir: string, target: string): Promise<readonly ImageEntry[]> {
  const entries: ImageEntry[] = [];
  for (const path of await productionPackages(projectDir)) {
    for (const file of await filesOf(join(projectDir, path), '')) {
      entries.push({ kind: 'file', path: join(target, path, file), source: join(projectDir, path, file), mode: 0o644 });
    }
  }
  return entries;
}

async function filesOf(dir: string, below: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(dir, below), { withFileTypes: true }).catch(() => [])) {
    const path = join(below, entry.name);
    // Packages within it have lines of their own in the lock file.
    if (entry.isDirectory() && entry.name !== 'node_modules' && !folders.has(entry.name)) found.push(...(await filesOf(dir, path)));
    else if (entry.isFile() && !notNeeded.test(entry.name)) found.push(path);
  }
  return found.sort();
}
