import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MoverFault } from './fault.ts';

/** In the volume itself while it is filled: whoever finds it there knows that nobody else has written anything. */
export const unfinishedMark = '.holdfast-restoring';

/** What a new file system has by itself. */
const ofTheFileSystem = 'lost+found';

/**
 * Calls `fill` for a volume that has no files, or only what an interrupted call has left; undefined for one that has others. The folder gets the
 * times that `fill` has given it.
 */
export async function fillEmpty<T>(path: string, fill: () => Promise<T>): Promise<T | undefined> {
  const mark = join(path, unfinishedMark);
  const names = await readdir(path).catch(unreadable);
  const begun = names.includes(unfinishedMark);
  if (!begun && names.some(name => name !== ofTheFileSystem)) return undefined;
  if (!begun) await writeFile(mark, '', { mode: 0o600 }).catch(unreadable);
  const result = await fill();
  const { atimeMs, mtimeMs } = await stat(path);
  await rm(mark, { force: true });
  await utimes(path, atimeMs / 1000, mtimeMs / 1000);
  return result;
}

function unreadable(thrown: Error): never {
  throw new MoverFault('volume-unreadable', thrown.message, { cause: thrown });
}
