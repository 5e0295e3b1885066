import { readdir, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const dayMs = 24 * 3_600_000;
const lookEveryMs = 7 * dayMs;
const unusedMs = 28 * dayMs;
/** When it was last changed says when the folder was last looked through. */
const markerName = 'looked-through';

/**
 * Deletes compiled code that no start has read for four weeks, of which every build and every version of Node.js leaves its own. Looks once a
 * week. It is a cache: what cannot be deleted stays, what was deleted is compiled again, and nothing is ever thrown.
 */
export async function pruneCompiled(dir: string, now: Date): Promise<void> {
  try {
    if (!(await isDue(join(dir, markerName), now))) return;
    for (const entry of await readdir(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) await pruneFolder(join(dir, entry.name), now);
    }
  } catch {
    // A folder that cannot be written is nobody’s trouble.
  }
}

async function isDue(marker: string, now: Date): Promise<boolean> {
  const looked = await stat(marker).catch(() => undefined);
  if (looked !== undefined && Math.abs(now.getTime() - looked.mtimeMs) < lookEveryMs) return false;
  await writeFile(marker, '');
  await utimes(marker, now, now);
  return true;
}

/** One version of Node.js with its flags. Where the file system keeps no times of reading, what is old goes although it is used. */
async function pruneFolder(folder: string, now: Date): Promise<void> {
  let isEmpty = true;
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    const { atimeMs, mtimeMs } = await stat(file);
    if (now.getTime() - Math.max(atimeMs, mtimeMs) < unusedMs) isEmpty = false;
    else await unlink(file);
  }
  if (isEmpty) await rmdir(folder);
}
