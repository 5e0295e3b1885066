import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../../src/storage/file-store.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { all, collect, keysOf, MiB, patterned, withCode } from './object-store-helpers.ts';

const run = promisify(execFile);
const storeModule = pathToFileURL(join(import.meta.dirname, '../../src/storage/file-store.ts')).href;
const isRoot = process.getuid?.() === 0;

let dir: string;
beforeEach(async () => {
  dir = await tempDir('file-store');
});

/** Arguments of Node for a script that has `store` on `dir`. */
const script = (code: string) => ['--input-type=module', '-e', `import { createFileStore } from ${JSON.stringify(storeModule)};\n${code}`];

describe('files and directories', () => {
  it('belong to their owner alone', async () => {
    await createFileStore(join(dir, 'new/root')).put('a/b/c', Buffer.from('x'));
    for (const path of ['new', 'new/root', 'new/root/a', 'new/root/a/b'])
      expect((await stat(join(dir, path))).mode & 0o777, path).toBe(0o700);
    expect((await stat(join(dir, 'new/root/a/b/c'))).mode & 0o777).toBe(0o600);
  });

  it('are gone with the last object in them', async () => {
    const store = createFileStore(join(dir, 'root'));
    await store.put('a/b/c', Buffer.from('x'));
    await store.put('a/d', Buffer.from('x'));
    await store.delete('a/b/c');
    expect(await readdir(join(dir, 'root/a'))).toEqual(['d']);
    await store.delete('a/d');
    expect(await readdir(join(dir, 'root'))).toEqual([]);
  });

  it('that are empty are names only for who need not know', async () => {
    const store = createFileStore(join(dir, 'root'));
    await store.put('a/b/c', Buffer.from('x'));
    await mkdir(join(dir, 'root/a/empty'));
    expect(await Array.fromAsync(store.listNames('a/'))).toEqual(['b/']);
    expect(await Array.fromAsync(store.listNames('a/', { mayBeEmpty: true }))).toEqual(['b/', 'empty/']);
    expect(await Array.fromAsync(store.listNames('a/', { mayBeEmpty: true, startAfter: 'b/' }))).toEqual(['empty/']);
  });

  it('are made anew after somebody else took them away', async () => {
    const store = createFileStore(join(dir, 'root'));
    await store.put('a/b/c', Buffer.from('x'));
    await createFileStore(join(dir, 'root')).delete('a/b/c');
    await store.put('a/b/c', Buffer.from('x'));
    await rm(join(dir, 'root'), { recursive: true });
    await store.put('a/b/d', Buffer.from('x'));
    expect(await keysOf(store)).toEqual(['a/b/d']);
  });

  it('may come and go at the same moment', async () => {
    const store = createFileStore(dir);
    const rounds = Array.from({ length: 200 }, async (_, i) => {
      await store.put(`shared/deep/${i}`, Buffer.from(String(i)));
      if (i % 2 === 0) await store.delete(`shared/deep/${i}`);
    });
    await Promise.all(rounds);
    expect(await keysOf(store)).toHaveLength(100);
  });

  it('stand in the way of keys below an object', async () => {
    const store = createFileStore(dir);
    await store.put('a', Buffer.from('x'));
    await store.put('b/c', Buffer.from('x'));
    await expect(store.put('a/b', Buffer.from('x'))).rejects.toEqual(withCode('STORE_EXISTS'));
    await expect(store.put('b', Buffer.from('x'))).rejects.toEqual(withCode('STORE_EXISTS'));
  });

  it('are no objects where they are links, nor followed out of the root', async () => {
    await writeFile(join(dir, 'outside'), 'secret');
    const store = createFileStore(join(dir, 'root'));
    await store.put('a', Buffer.from('x'));
    await run('ln', ['-s', join(dir, 'outside'), join(dir, 'root/link')]);
    await run('ln', ['-s', dir, join(dir, 'root/folder')]);
    expect(await keysOf(store)).toEqual(['a']);
    expect(await all(store.listNames(''))).toEqual(['a']);
    expect(await store.head('link')).toBeUndefined();
    await expect(collect(store.get('link'))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await expect(store.put('link', Buffer.from('x'))).rejects.toEqual(withCode('STORE_EXISTS'));
  });
});

describe('a full disk', () => {
  const mount = async (options: string) => {
    const path = join(dir, 'mounted');
    await mkdir(path, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
    return path;
  };
  const mountable = isRoot ? it : it.skip;

  mountable('is said, leaves nothing visible, and keeps what was there', async () => {
    const path = await mount('size=4m');
    try {
      const store = createFileStore(path);
      await store.put('before', patterned(MiB));
      for (const body of [patterned(8 * MiB), await collect(patterned(8 * MiB))]) {
        await expect(store.put('too/large', body)).rejects.toEqual(withCode('STORE_FULL'));
      }
      expect(await keysOf(store)).toEqual(['before']);
      expect((await collect(store.get('before'))).equals(await collect(patterned(MiB)))).toBe(true);
      await store.put('after', patterned(2 * MiB));
      expect(await keysOf(store)).toEqual(['after', 'before']);
    } finally {
      await run('umount', [path]);
    }
  });

  mountable('is also one without free inodes', async () => {
    const path = await mount('size=4m,nr_inodes=10');
    try {
      const store = createFileStore(path);
      const puts = Array.from({ length: 12 }, (_, i) => store.put(`k${i}`, Buffer.from('x')));
      const failed = (await Promise.allSettled(puts)).flatMap(put => (put.status === 'rejected' ? [put.reason] : []));
      expect(failed.length).toBeGreaterThan(0);
      for (const reason of failed) expect(reason).toEqual(withCode('STORE_FULL'));
    } finally {
      await run('umount', [path]);
    }
  });

  it('is also a limit on the size of files', async () => {
    const code = `try { await createFileStore(${JSON.stringify(dir)}).put('a', Buffer.alloc(${2 * MiB})) } catch (e) { console.log(e.code) }`;
    // In blocks of 512 or 1024 bytes, depending on the shell: at most 1 MiB.
    const { stdout } = await run('sh', ['-c', 'ulimit -f 1024; exec "$0" "$@"', process.execPath, ...script(code)]);
    expect(stdout.trim()).toBe('STORE_FULL');
    expect(await keysOf(createFileStore(dir))).toEqual([]);
  });
});

describe('a directory without the right to write', () => {
  it.skipIf(!isRoot)('is said when its file system is read-only', async () => {
    const path = join(dir, 'mounted');
    await mkdir(path);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]);
    try {
      const store = createFileStore(path);
      await store.put('before', Buffer.from('x'));
      await run('mount', ['-o', 'remount,ro', path]);
      await expect(store.put('new', Buffer.from('x'))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
      await expect(store.put('new/one', Buffer.from('x'))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
      await expect(store.delete('before')).rejects.toEqual(withCode('STORE_FORBIDDEN'));
      expect(await keysOf(store)).toEqual(['before']);
    } finally {
      await run('umount', [path]);
    }
  });

  it.skipIf(isRoot)('is said when the user lacks it', async () => {
    const store = createFileStore(dir);
    await store.put('before', Buffer.from('x'));
    await chmod(dir, 0o500);
    await expect(store.put('new', Buffer.from('x'))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await expect(store.delete('before')).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await chmod(dir, 0o700);
  });
});

describe('other processes', () => {
  it('killed in the middle of a write leave nothing visible and nothing in the way', async () => {
    const code = `
      async function* body() {
        for (let i = 0; ; i++) {
          yield Buffer.alloc(${MiB});
          if (i === 3) process.stdout.write('writing');
          if (i > 3) await new Promise(resolve => setTimeout(resolve, 60_000));
        }
      }
      await createFileStore(${JSON.stringify(dir)}).put('a/large', body());`;
    const child = spawn(process.execPath, script(code), { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await exited;
    const store = createFileStore(dir);
    expect(await readdir(join(dir, 'a'))).toEqual([expect.stringMatching(/^\.holdfast-/)]);
    expect(await keysOf(store)).toEqual([]);
    expect(await all(store.listNames(''))).toEqual([]);
    expect(await store.head('a/large')).toBeUndefined();
    await store.put('a/large', Buffer.from('whole'));
    expect((await collect(store.get('a/large'))).toString()).toBe('whole');
  });

  it('never overwrite each other', async () => {
    const keys = 60;
    const code = (name: string) => `
      const store = createFileStore(${JSON.stringify(dir)});
      const won = [];
      for (let i = 0; i < ${keys}; i++) {
        await store.put('k/' + i, Buffer.alloc(20000, '${name}')).then(() => won.push(i), e => { if (e.code !== 'STORE_EXISTS') throw e; });
      }
      console.log(JSON.stringify(won));`;
    const names = ['a', 'b', 'c'];
    const outputs = await Promise.all(names.map(name => run(process.execPath, script(code(name)))));
    const won = outputs.map(output => JSON.parse(output.stdout) as number[]);
    expect(won.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: keys }, (_, i) => i));
    const store = createFileStore(dir);
    for (const [index, name] of names.entries()) {
      for (const key of won[index]!) expect((await collect(store.get(`k/${key}`))).equals(Buffer.alloc(20_000, name))).toBe(true);
    }
  });
});
