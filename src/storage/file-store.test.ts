import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { createFileStore } from './file-store.ts';
import { compareKeys } from './keys.ts';

let dir: string;
beforeEach(async () => {
  dir = await tempDir('lists');
});

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** No key is a directory of another, which files cannot be. */
function withoutNesting(keys: readonly string[]): string[] {
  const unique = [...new Set(keys)];
  return unique.filter(key => !unique.some(other => other.startsWith(`${key}/`)));
}

const segment = fc.constantFrom('a', 'a!', 'a-', 'a.b', 'b', 'é', '\ue000', '😀', '0', 'ab');
const key = fc.array(segment, { minLength: 1, maxLength: 3 }).map(parts => parts.join('/'));
const cut = fc.tuple(key, fc.nat({ max: 8 })).map(([text, length]) => text.slice(0, length).toWellFormed().replaceAll('\ufffd', ''));

it('lists and names exactly what a sorted set of keys would', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(key, { maxLength: 15 }), cut, fc.option(key, { nil: undefined }), async (drawn, prefix, startAfter) => {
      run += 1;
      const store = createFileStore(join(dir, String(run)));
      const keys = withoutNesting(drawn).sort(compareKeys);
      for (const name of keys) await store.put(name, Buffer.from(name));
      const expected = keys.filter(name => name.startsWith(prefix) && (startAfter === undefined || compareKeys(name, startAfter) > 0));
      const listed = await all(store.list(prefix, startAfter === undefined ? {} : { startAfter }));
      expect(listed.map(object => object.key)).toEqual(expected);
      const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      const below = keys.filter(name => name.startsWith(folder)).map(name => name.slice(folder.length).replace(/\/.*/, '/'));
      expect(await all(store.listNames(folder))).toEqual([...new Set(below)].sort(compareKeys));
    }),
    { numRuns: 60 },
  );
});

it('says that a folder cannot be made where what it lies on is not there', async () => {
  await symlink(join(dir, 'unmounted'), join(dir, 'backups'));
  await expect(createFileStore(join(dir, 'backups', 'platform')).put('holdfast.json', Buffer.from('{}'))).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
    message: `writing holdfast.json: the folder ${join(dir, 'backups', 'platform')} is not there and cannot be made`,
    hint: expect.stringContaining('mounted'),
  });
});
