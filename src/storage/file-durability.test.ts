import { existsSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { createFileStore } from './file-store.ts';

it('an object is on disk before it has its name, and its name before the put is done', async () => {
  const root = await tempDir('durable');
  const path = join(root, 'a/b');
  const directory = await open(root);
  const handles = Object.getPrototypeOf(directory) as FileHandle;
  await directory.close();
  const sync = handles.sync;
  const synced: { readonly inode: number; readonly named: boolean }[] = [];
  const watched = vi.spyOn(handles, 'sync').mockImplementation(async function (this: FileHandle) {
    const named = existsSync(path);
    await sync.call(this);
    synced.push({ inode: (await this.stat()).ino, named });
  });
  try {
    await createFileStore(root).put('a/b', Buffer.from('x'));
  } finally {
    watched.mockRestore();
  }
  const of = async (what: string) => {
    const { ino } = await stat(what);
    return synced.filter(({ inode }) => inode === ino).map(({ named }) => named);
  };
  expect(await of(path)).toEqual([false]);
  expect(await of(join(root, 'a'))).toEqual([true]);
  // The folder itself was new.
  expect(await of(root)).toEqual([false]);
});
