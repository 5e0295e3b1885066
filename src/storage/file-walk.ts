import type { Dirent } from 'node:fs';
import { lstat, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileCall, isAbsent } from './file-errors.ts';
import { compareKeys, reservedPrefix } from './keys.ts';
import type { StoredObject } from './object-store.ts';

interface Entry {
  /** With a trailing `/` when it is a directory: that is how its keys sort among the files beside it. */
  readonly name: string;
  readonly directory: boolean;
}

/** Only files and directories are part of a store: symbolic links, sockets and files still being written are not. */
function asEntry(entry: Dirent): Entry | undefined {
  if (entry.name.startsWith(reservedPrefix)) return undefined;
  if (entry.isDirectory()) return { name: `${entry.name}/`, directory: true };
  return entry.isFile() ? { name: entry.name, directory: false } : undefined;
}

/** Entries of one directory in key order, `startAfter` (a name) exclusive; none when it is not there. */
export async function readEntries(path: string, startAfter?: string): Promise<Entry[]> {
  let found: Dirent[];
  try {
    found = await fileCall(`listing ${path}`, () => readdir(path, { withFileTypes: true }));
  } catch (thrown) {
    if (isAbsent((thrown as Error).cause)) return [];
    throw thrown;
  }
  return found
    .map(asEntry)
    .filter(entry => entry !== undefined)
    .filter(({ name }) => startAfter === undefined || compareKeys(name, startAfter) > 0)
    .sort((a, b) => compareKeys(a.name, b.name));
}

/** The object, or undefined when no file is there. */
export async function statObject(path: string, key: string): Promise<StoredObject | undefined> {
  try {
    const stat = await fileCall(`looking for ${key}`, () => lstat(path));
    return stat.isFile() ? { key, bytes: stat.size, modified: stat.mtime } : undefined;
  } catch (thrown) {
    if (isAbsent((thrown as Error).cause)) return undefined;
    throw thrown;
  }
}

/** Objects below directory `path`, whose keys begin with `base`, in key order; only those that begin with `prefix` and come after `startAfter`. */
export async function* walk(path: string, base: string, prefix: string, startAfter: string): AsyncGenerator<StoredObject> {
  for (const { name, directory } of await readEntries(path)) {
    const key = base + name;
    if (directory) {
      const wanted = key.startsWith(prefix) || prefix.startsWith(key);
      const passed = startAfter !== '' && compareKeys(key, startAfter) < 0 && !startAfter.startsWith(key);
      if (wanted && !passed) yield* walk(join(path, name), key, prefix, startAfter);
    } else if (key.startsWith(prefix) && (startAfter === '' || compareKeys(key, startAfter) > 0)) {
      const object = await statObject(join(path, name), key);
      if (object !== undefined) yield object;
    }
  }
}

/** An empty directory, left behind by a write that failed or a delete, is not a prefix of anything. */
export async function holdsObject(path: string): Promise<boolean> {
  const directories: string[] = [];
  try {
    for await (const dirent of await opendir(path)) {
      const entry = asEntry(dirent);
      if (entry === undefined) continue;
      if (!entry.directory) return true;
      directories.push(join(path, entry.name));
    }
  } catch (thrown) {
    if (isAbsent(thrown)) return false;
    return await fileCall(`listing ${path}`, () => Promise.reject(thrown));
  }
  for (const directory of directories) if (await holdsObject(directory)) return true;
  return false;
}
