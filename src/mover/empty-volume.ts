import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MoverFault } from './fault.ts';

/** In the volume itself while it is filled, with what it is filled with: whoever finds it there knows that nobody else has written anything. */
export const unfinishedMark = '.holdfast-restoring';

/** What a new file system has by itself. */
const ofTheFileSystem = 'lost+found';

/**
 * Calls `fill` for a volume that has no files, or only what an interrupted call for the same `content` has left; undefined for one that has others: what
 * is left of something else would stay among its files. The folder gets the times that `fill` has given it.
 */
export async function fillEmpty<T>(path: string, content: string, fill: () => Promise<T>): Promise<T | undefined> {
  const mark = join(path, unfinishedMark);
  const names = await readdir(path).catch(unreadable);
  const begun = names.includes(unfinishedMark) && (await readFile(mark, 'utf8').catch(unreadable)) === content;
  if (!begun && names.some(name => name !== ofTheFileSystem && name !== unfinishedMark)) return undefined;
  if (!begun) await writeFile(mark, content, { mode: 0o600 }).catch(unreadable);
  const result = await fill();
  const { atimeMs, mtimeMs } = await stat(path);
  await rm(mark, { force: true });
  await utimes(path, atimeMs / 1000, mtimeMs / 1000);
  return result;
}

function unreadable(thrown: Error): never {
  throw new MoverFault('volume-unreadable', thrown.message, { cause: thrown });
}
