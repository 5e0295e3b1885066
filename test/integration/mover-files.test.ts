import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  chown,
  link,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { having } from '../helpers/having.ts';
import { type EmptyRepository, emptyRepository, snapshotOf, type TestMover, testMover } from '../helpers/mover.ts';
import { attributesOf, describeTree, setAttribute } from '../helpers/tree-digest.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

let empty: EmptyRepository;
let mover: TestMover;
let volume: string;
let target: string;

beforeAll(async () => {
  empty = await emptyRepository();
});
beforeEach(async () => {
  mover = await testMover({ empty });
  volume = join(mover.dir, 'source', 'data');
  target = join(mover.dir, 'target', 'data');
  for (const folder of [volume, target]) await mkdir(folder, { recursive: true });
});
afterEach(() => mover.remove());

async function fill(): Promise<void> {
  for (const folder of ['src/deep/er', 'empty', 'closed']) await mkdir(join(volume, folder), { recursive: true });
  for (let i = 0; i < 40; i += 1) await writeFile(join(volume, 'src', `file-${i}`), randomBytes(1_000 * i));
  await writeFile(join(volume, 'src/deep/er/ünïcødé 日本語\n*?[a]\\'), 'odd name');
  await writeFile(join(volume, 'large'), randomBytes(9_000_000));
  await writeFile(join(volume, 'nothing'), '');
  await symlink('src/file-1', join(volume, 'relative-link'));
  await symlink('/etc/nowhere', join(volume, 'broken-link'));
  await link(join(volume, 'large'), join(volume, 'src/hard-link'));
  await run('mkfifo', [join(volume, 'fifo')]);
  await writeFile(join(volume, 'closed/secret'), 'x', { mode: 0o600 });
  await chmod(join(volume, 'closed'), 0o500);
  await chmod(join(volume, 'src/file-2'), 0o4755);
  if (isRoot) {
    await run('mknod', [join(volume, 'device'), 'c', '1', '3']);
    await chown(join(volume, 'src/file-3'), 4711, 4712);
    await chown(volume, 1000, 2000);
  }
  await chmod(volume, 0o2770);
  await utimes(join(volume, 'src/file-4'), 1_500_000_000.123, 1_500_000_000.123);
  await lutimes(join(volume, 'relative-link'), 1_400_000_000, 1_400_000_000);
}

describe('a volume that is filled only where it is empty', () => {
  const interrupted = { signal: AbortSignal.abort(new Error('SIGTERM')) };

  it('gets everything, its own folder’s times too, and keeps no mark of it', async () => {
    await fill();
    const before = await describeTree(volume);
    const snapshot = snapshotOf(await mover.backup(volume));
    await mkdir(join(target, 'lost+found'));
    const done = await mover.restore(target, snapshot, { onlyEmpty: true });
    expect(done).toMatchObject({ ok: true, files: expect.any(Number) });
    expect(done).not.toHaveProperty('occupied');
    const { 'lost+found': _, '.': own, ...rest } = await describeTree(target);
    const { '.': its, ...others } = before;
    expect(rest).toEqual(others);
    expect({ ...own, mtimeNs: '' }).toEqual({ ...its, mtimeNs: '' });
    expect(Math.abs(Number(own?.mtimeNs) - Number(its?.mtimeNs)), 'to the microsecond').toBeLessThan(1_000);
  });

  it('keeps the files that it has, and says so', async () => {
    await fill();
    const snapshot = snapshotOf(await mover.backup(volume));
    await writeFile(join(target, 'nothing'), 'somebody’s');
    const done = await mover.restore(target, snapshot, { onlyEmpty: true });
    expect(done).toMatchObject({ ok: true, files: 0, occupied: true });
    expect(await readdir(target)).toEqual(['nothing']);
    expect(await readFile(join(target, 'nothing'), 'utf8')).toBe('somebody’s');
  });

  it('is filled to the end by the next try where one was interrupted', async () => {
    await fill();
    const snapshot = snapshotOf(await mover.backup(volume));
    const stopped = { ...mover.common(), action: 'restore', mode: 'Filesystem', path: target, snapshot, include: [] } as const;
    const request = { ...stopped, deleteOthers: false, onlyEmpty: true };
    expect(await mover.run(request, interrupted)).toMatchObject({ ok: false });
    expect(await readdir(target)).toContain('.holdfast-restoring');
    // As restic leaves a file that it was writing.
    await writeFile(join(target, 'large'), 'half');
    expect(await mover.run(request)).toMatchObject({ ok: true, files: expect.any(Number) });
    expect(await readFile(join(target, 'large'))).toEqual(await readFile(join(volume, 'large')));
    expect(await readdir(target)).not.toContain('.holdfast-restoring');
  });

  it('is not taken for empty where another restore was interrupted, whose files would stay among its own', async () => {
    await fill();
    const snapshot = snapshotOf(await mover.backup(volume));
    await rm(join(volume, 'large'));
    const later = snapshotOf(await mover.backup(volume));
    const stopped = { ...mover.common(), action: 'restore', mode: 'Filesystem', path: target, include: [] } as const;
    const request = { ...stopped, deleteOthers: false, onlyEmpty: true };
    expect(await mover.run({ ...request, snapshot }, interrupted)).toMatchObject({ ok: false });
    // As restic leaves a file that it was writing.
    await writeFile(join(target, 'large'), 'half');
    expect(await mover.run({ ...request, snapshot: later })).toMatchObject({ ok: true, files: 0, occupied: true });
    expect((await readdir(target)).sort()).toEqual(['.holdfast-restoring', 'large']);
    expect(await mover.run({ ...request, snapshot, include: ['/src'] })).toMatchObject({ ok: true, files: 0, occupied: true });
  });
});

describe('a volume of files, backed up and restored into an empty one,', () => {
  it('is the same to the last attribute: contents, times, modes, owners, links, fifos, devices, odd names, its own folder', async () => {
    await fill();
    const before = await describeTree(volume);
    const backed = await mover.backup(volume);
    expect(backed).toMatchObject({ ok: true, action: 'backup', snapshot: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const result = await mover.restore(target, snapshotOf(backed));
    expect(result).toMatchObject({ ok: true, action: 'restore', files: Object.keys(before).length });
    expect(await describeTree(target)).toEqual(before);
  });

  it('keeps hard links as one file, and sparse files thin', async () => {
    await fill();
    await writeFile(join(volume, 'sparse'), 'begin');
    await truncate(join(volume, 'sparse'), 64 * 2 ** 20);
    await mover.restore(target, snapshotOf(await mover.backup(volume)));
    const [one, other] = await Promise.all([stat(join(target, 'large')), stat(join(target, 'src/hard-link'))]);
    expect(one.ino).toBe(other.ino);
    const sparse = await stat(join(target, 'sparse'));
    expect(sparse.size).toBe(64 * 2 ** 20);
    expect(sparse.blocks * 512).toBeLessThan(2 ** 20);
  });

  having('python3').it('keeps extended attributes', async () => {
    await writeFile(join(volume, 'marked'), 'x');
    await setAttribute(join(volume, 'marked'), 'user.origin', 'agent 7');
    await mover.restore(target, snapshotOf(await mover.backup(volume)));
    expect(await attributesOf(join(target, 'marked'))).toEqual({ 'user.origin': Buffer.from('agent 7').toString('hex') });
  });

  it('goes without its sockets, which are nothing without their server, and is whole otherwise', async () => {
    await writeFile(join(volume, 'file'), 'x');
    const server = createServer().listen(join(volume, 'socket'));
    await once(server, 'listening');
    const backed = await mover.backup(volume);
    server.close();
    expect(await mover.restore(target, snapshotOf(backed))).toMatchObject({ ok: true });
    expect(await readdir(target)).toEqual(['file']);
  });

  it('may be empty', async () => {
    const backed = await mover.backup(volume);
    expect(backed).toMatchObject({ ok: true, files: 0, bytes: 0 });
    await chmod(volume, 0o700);
    expect(await mover.restore(target, snapshotOf(backed))).toMatchObject({ ok: true });
    expect(await readdir(target)).toEqual([]);
  });
});

describe('another backup of the volume', () => {
  it('reads again what changed and nothing else, in a copy with other inodes too', async () => {
    await fill();
    await mover.backup(volume);
    const copy = join(mover.dir, 'copy', 'data');
    await run('cp', ['-a', '--', volume, join(mover.dir, 'copy-of')]);
    await mkdir(join(mover.dir, 'copy'));
    await run('mv', [join(mover.dir, 'copy-of'), copy]);
    await rm(volume, { recursive: true });
    await run('mv', [copy, volume]);
    const again = await mover.backup(volume, { time: '2026-11-24T02:00:00.000Z' });
    expect(await summaryOf(snapshotOf(again))).toMatchObject({ files_new: 0, files_changed: 0, data_blobs: 0 });
    await writeFile(join(volume, 'src/file-7'), 'changed');
    const third = await mover.backup(volume, { time: '2026-11-25T02:00:00.000Z' });
    expect(await summaryOf(snapshotOf(third))).toMatchObject({ files_new: 0, files_changed: 1, data_blobs: 1 });
  });

  it('takes owners and modes anew where only they changed', async () => {
    await fill();
    await mover.backup(volume);
    await chmod(join(volume, 'src/file-5'), 0o777);
    await mover.restore(target, snapshotOf(await mover.backup(volume)));
    expect((await stat(join(target, 'src/file-5'))).mode & 0o777).toBe(0o777);
  });

  it('has the time, the host and the tags that it was given', async () => {
    await writeFile(join(volume, 'file'), 'x');
    const id = snapshotOf(await mover.backup(volume, { time: '2026-11-24T02:00:00.000Z' }));
    const [snapshot] = await restic<Record<string, unknown>[]>('snapshots', '--no-lock', id);
    expect(snapshot).toMatchObject({ id, hostname: 'agents/workspace', tags: ['set=20261123T020000Z-daily-k3f9'], paths: [volume] });
    expect(Date.parse(`${snapshot?.['time']}`)).toBe(Date.parse('2026-11-24T02:00:00.000Z'));
  });
});

describe('a restore of files', () => {
  it('brings back the paths that it names, with what is below them, and leaves everything else alone', async () => {
    await fill();
    const snapshot = snapshotOf(await mover.backup(volume));
    await writeFile(join(target, 'mine'), 'mine');
    const odd = '/src/deep/er/ünïcødé 日本語\n*?[a]\\';
    const result = await mover.restore(target, snapshot, { include: ['/closed/', odd, '/relative-link'] });
    expect(result).toMatchObject({ ok: true });
    expect((await readdir(target)).sort()).toEqual(['closed', 'mine', 'relative-link', 'src']);
    expect(await readdir(join(target, 'src'))).toEqual(['deep']);
    expect(await readFile(join(target, odd), 'utf8')).toBe('odd name');
    expect((await lstat(join(target, 'closed/secret'))).mode & 0o777).toBe(0o600);
  });

  it('takes a name with pattern characters for a name', async () => {
    for (const name of ['a*', 'abc', '[ab]', 'a', '**', 'a?']) await writeFile(join(volume, name), name);
    const snapshot = snapshotOf(await mover.backup(volume));
    await mover.restore(target, snapshot, { include: ['/a*', '/[ab]', '/**', '/a?'] });
    expect((await readdir(target)).sort()).toEqual(['**', '[ab]', 'a*', 'a?']);
  });

  it('fails where one of the paths is not in the snapshot, and says which', async () => {
    await fill();
    const snapshot = snapshotOf(await mover.backup(volume));
    const result = await mover.restore(target, snapshot, { include: ['/src/file-1', '/src/no-such-file', '/nowhere/at/all'] });
    expect(result).toMatchObject({ ok: false, code: 'snapshot-missing' });
    expect(result).toMatchObject({ message: expect.stringContaining('/src/no-such-file, /nowhere/at/all') });
  });

  it('onto other data mends what differs, and removes what the snapshot does not have only when told to', async () => {
    await fill();
    const before = await describeTree(volume);
    const snapshot = snapshotOf(await mover.backup(volume));
    await mover.restore(target, snapshot);
    const { mtime } = await stat(join(target, 'src/file-9'));
    await writeFile(join(target, 'src/file-9'), randomBytes(9_000));
    await utimes(join(target, 'src/file-9'), mtime, mtime);
    await writeFile(join(target, 'other'), 'x');
    await mkdir(join(target, 'src/other'));
    await rm(join(target, 'large'));
    expect(await mover.restore(target, snapshot)).toMatchObject({ ok: true });
    expect(await readdir(target)).toContain('other');
    expect(await mover.restore(target, snapshot, { deleteOthers: true })).toMatchObject({ ok: true });
    expect(await describeTree(target)).toEqual(before);
    // Its sibling is none of the volume's business.
    expect(await readdir(join(target, '..'))).toEqual(['data']);
  });

  it('run again needs none of the data', async () => {
    await fill();
    const snapshot = snapshotOf(await mover.backup(volume));
    await mover.restore(target, snapshot);
    const packs = join(mover.repository, 'data');
    for (const pack of await readdir(packs, { recursive: true })) {
      if ((await stat(join(packs, pack))).size > 1_000_000) await rm(join(packs, pack), { recursive: true });
    }
    expect(await mover.restore(target, snapshot)).toMatchObject({ ok: true });
    await rm(join(target, 'large'));
    await rm(join(target, 'src/hard-link'));
    expect(await mover.restore(target, snapshot)).toMatchObject({ ok: false });
  });
});

async function restic<Answer>(...args: string[]): Promise<Answer> {
  const env = { RESTIC_PASSWORD: mover.password, PATH: process.env['PATH'] };
  const { stdout } = await run(mover.restic, ['--json', '--no-cache', '--repo', mover.repository, ...args], { env });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Answer;
}

async function summaryOf(snapshot: string): Promise<unknown> {
  const [found] = await restic<{ summary: unknown }[]>('snapshots', '--no-lock', snapshot);
  return found?.summary;
}
