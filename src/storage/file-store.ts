import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, open, rmdir, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HoldfastError } from '../domain/errors.ts';
import { abortable } from './body.ts';
import { createDirectorySync, type DirectorySync } from './file-durability.ts';
import { errno, fileCall, isAbsent } from './file-errors.ts';
import { holdsObject, readEntries, statObject, walk } from './file-walk.ts';
import { checkKey, checkPrefix, reservedPrefix } from './keys.ts';
import type { CallOptions, ObjectStore } from './object-store.ts';

export interface FileStoreOptions {
  /** Bytes of one chunk that `get` gives out; 256 KiB unless told. */
  readonly readBytes?: number;
}

/** Directories that are looked into side by side: ten thousand in a row take a second and a half. */
const looksAtOnce = 32;

type Body = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * A directory as an object store. A put writes `.holdfast-<random>` beside the object, makes it durable, then links it to its name, which
 * fails if the name is taken: even two writers at once cannot overwrite. A writer that is killed leaves that file behind; no list shows
 * it, nothing waits for it, and it may be deleted at any time. Directories get mode 0700, files 0600.
 */
export function createFileStore(root: string, options: FileStoreOptions = {}): ObjectStore {
  const base = resolve(root);
  const directories = createDirectorySync();
  const pathOf = (key: string): string => {
    checkKey(key);
    return join(base, key);
  };
  return {
    url: pathToFileURL(base).href,
    put: async (key, body, call = {}) => {
      const path = pathOf(key);
      call.signal?.throwIfAborted();
      return { bytes: await put(directories, path, key, body, call) };
    },
    get: async function* (key, call = {}) {
      yield* read(pathOf(key), key, call, options.readBytes ?? 256 * 1024);
    },
    head: async (key, call = {}) => {
      const path = pathOf(key);
      call.signal?.throwIfAborted();
      return await statObject(path, key);
    },
    list: async function* (prefix, call = {}) {
      checkPrefix(prefix);
      const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      yield* abortable(walk(join(base, folder), folder, prefix, call.startAfter ?? ''), call.signal);
    },
    listNames: async function* (prefix, call = {}) {
      checkPrefix(prefix);
      yield* abortable(names(join(base, prefix), call), call.signal);
    },
    delete: async (key, call = {}) => {
      const path = pathOf(key);
      call.signal?.throwIfAborted();
      await remove(directories, base, path, key);
    },
    close: async () => {},
  };
}

async function* names(
  path: string,
  { startAfter, mayBeEmpty = false }: { readonly startAfter?: string; readonly mayBeEmpty?: boolean },
): AsyncGenerator<string> {
  const entries = await readEntries(path, startAfter);
  for (let i = 0; i < entries.length; i += looksAtOnce) {
    const some = entries.slice(i, i + looksAtOnce);
    if (mayBeEmpty) {
      for (const { name } of some) yield name;
      continue;
    }
    const present = await Promise.all(some.map(async ({ name, directory }) => !directory || (await holdsObject(join(path, name)))));
    for (const [n, { name }] of some.entries()) if (present[n]) yield name;
  }
}

async function put(directories: DirectorySync, path: string, key: string, body: Body, call: CallOptions): Promise<number> {
  const doing = `writing ${key}`;
  const folder = dirname(path);
  const temporary = join(folder, `${reservedPrefix}${randomBytes(12).toString('hex')}`);
  const file = await createTemporary(directories, folder, temporary, key);
  try {
    let bytes: number;
    try {
      bytes = await writeBody(file, doing, body, call);
      await fileCall(doing, () => file.sync());
    } finally {
      await fileCall(doing, () => file.close());
    }
    call.signal?.throwIfAborted();
    await linkNew(temporary, path, key);
    await fileCall(doing, () => unlink(temporary));
    await fileCall(doing, () => directories.sync(folder));
    return bytes;
  } catch (thrown) {
    await unlink(temporary).catch(() => {});
    throw thrown;
  }
}

/** A delete at the same moment may take an emptied directory away between its creation and the file's: then once more. */
async function createTemporary(directories: DirectorySync, folder: string, temporary: string, key: string): Promise<FileHandle> {
  for (let attempt = 1; ; attempt++) {
    try {
      await directories.ensure(folder);
      return await open(temporary, 'wx', 0o600);
    } catch (thrown) {
      directories.forget(folder);
      if (errno(thrown) === 'ENOENT' && attempt < 5) continue;
      if (errno(thrown) === 'ENOTDIR' || errno(thrown) === 'EEXIST') {
        throw new HoldfastError('STORE_EXISTS', `writing ${key}: a file stands where the folder ${folder} would be`, {
          hint: 'choose another location, or move that file away; nothing was overwritten',
        });
      }
      // Nothing is missing but what the folder would lie in, such as what a symbolic link names while a disk is not mounted.
      if (errno(thrown) === 'ENOENT') {
        throw new HoldfastError('STORE_UNREACHABLE', `writing ${key}: the folder ${folder} is not there and cannot be made`, {
          cause: thrown,
          hint: 'check that what the location lies on is mounted, and that the location is right',
        });
      }
      return await fileCall(`writing ${key}`, () => Promise.reject(thrown));
    }
  }
}

async function writeBody(file: FileHandle, doing: string, body: Body, { signal }: CallOptions): Promise<number> {
  if (body instanceof Uint8Array) {
    await fileCall(doing, () => file.writeFile(body));
    return body.length;
  }
  let bytes = 0;
  for await (const chunk of abortable(body, signal)) {
    await fileCall(doing, () => file.writeFile(chunk));
    bytes += chunk.length;
  }
  return bytes;
}

async function linkNew(temporary: string, path: string, key: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (thrown) {
    const code = errno(thrown);
    if (code === 'EEXIST') {
      // NFS answers a repeated request this way although the first one made the link.
      const [ours, theirs] = await Promise.all([lstat(temporary), lstat(path).catch(() => undefined)]);
      if (theirs?.ino === ours.ino && theirs.dev === ours.dev) return;
      throw new HoldfastError('STORE_EXISTS', `${key} exists already`);
    }
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'ENOSYS' || code === 'EMLINK') {
      throw new HoldfastError('STORE_FORBIDDEN', `writing ${key}: the file system has no hard links (${code})`, {
        hint: 'write-once needs them: use ext4, xfs, btrfs, zfs or NFS, or an S3 location',
      });
    }
    await fileCall(`writing ${key}`, () => Promise.reject(thrown));
  }
}

async function* read(
  path: string,
  key: string,
  call: CallOptions & { readonly range?: { readonly start: number; readonly end: number } },
  readBytes: number,
): AsyncGenerator<Uint8Array> {
  const doing = `reading ${key}`;
  call.signal?.throwIfAborted();
  const file = await fileCall(doing, () => open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  try {
    const stat = await fileCall(doing, () => file.stat());
    if (!stat.isFile()) throw new HoldfastError('STORE_NOT_FOUND', `${doing}: there is no such object`);
    const end = Math.min(call.range?.end ?? Number.POSITIVE_INFINITY, stat.size);
    let at = call.range?.start ?? 0;
    while (at < end) {
      call.signal?.throwIfAborted();
      const buffer = Buffer.allocUnsafeSlow(Math.min(readBytes, end - at));
      const from = at;
      const { bytesRead } = await fileCall(doing, () => file.read(buffer, 0, buffer.length, from));
      if (bytesRead === 0) throw new HoldfastError('STORE_ERROR', `${doing}: it became shorter while it was read`);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function remove(directories: DirectorySync, base: string, path: string, key: string): Promise<void> {
  try {
    const stat = await lstat(path);
    if (stat.isDirectory()) return;
    await unlink(path);
  } catch (thrown) {
    if (isAbsent(thrown)) return;
    await fileCall(`deleting ${key}`, () => Promise.reject(thrown));
  }
  try {
    await directories.sync(dirname(path));
  } catch (thrown) {
    // A delete beside this one may have taken the emptied directory away.
    if (!isAbsent(thrown)) await fileCall(`deleting ${key}`, () => Promise.reject(thrown));
  }
  for (let folder = dirname(path); folder.length > base.length; folder = dirname(folder)) {
    directories.forget(folder);
    const removed = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}
