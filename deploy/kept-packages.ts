import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
}

type Lock = Readonly<Record<string, LockedPackage>>;

/** Types, sources of maps and papers: nothing at run time reads them. Licences stay. */
const notNeeded = /\.(d\.ts|d\.mts|d\.cts|map|md|markdown|flow)$/i;
const foldersNotNeeded = /\/(node_modules|test|tests|__tests__|examples?|benchmarks?|\.github)$/;

/** Copies packages, and all that they depend on as the lock file says, from the project’s `node_modules` to that of `target`. */
export async function keepPackages(projectDir: string, names: readonly string[], target: string): Promise<void> {
  const lock = (JSON.parse(await readFile(join(projectDir, 'package-lock.json'), 'utf8')) as { packages: Lock }).packages;
  // One after the other: one may lie within another.
  for (const path of closure(lock, names)) await copyPackage(join(projectDir, path), join(target, path));
}

/** Their folders below the project, sorted. */
function closure(lock: Lock, names: readonly string[]): string[] {
  const found = new Set<string>();
  const open = names.map(name => locate(lock, '', name));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    for (const name of Object.keys(lock[path]?.dependencies ?? {})) open.push(locate(lock, path, name));
  }
  return [...found].sort();
}

/** As Node resolves a name: beside the package that asks, else beside the one around it. */
function locate(lock: Lock, from: string, name: string): string {
  for (let dir = from; ; dir = dir.slice(0, Math.max(0, dir.lastIndexOf('/node_modules/')))) {
    const path = `${dir === '' ? '' : `${dir}/`}node_modules/${name}`;
    if (path in lock) return path;
    if (dir === '') throw new Error(`package-lock.json has no ${name}, which ${from || 'the program'} needs`);
  }
}

function copyPackage(source: string, target: string): Promise<void> {
  // Packages within it have lines of their own in the lock file.
  const filter = (file: string): boolean => file === source || !(notNeeded.test(file) || foldersNotNeeded.test(file.slice(source.length)));
  return cp(source, target, { recursive: true, filter });
}
