import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { moverSecrets } from '../../src/domain/mover.ts';
import { backupRequest, type EmptyRepository, emptyRepository, snapshotOf, type TestMover, testMover } from '../helpers/mover.ts';
import { describeTree } from '../helpers/tree-digest.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

let empty: EmptyRepository;
let mover: TestMover;
let volume: string;
let target: string;
let mounted: string[];

beforeAll(async () => {
  empty = await emptyRepository();
});
beforeEach(async () => {
  mounted = [];
  mover = await testMover({ empty });
  volume = join(mover.dir, 'source', 'data');
  target = join(mover.dir, 'target', 'data');
  for (const folder of [volume, target]) await mkdir(folder, { recursive: true });
  for (let i = 0; i < 12; i += 1) await writeFile(join(volume, `file-${i}`), randomBytes(1_000_000));
});
afterEach(async () => {
  for (const path of mounted) await run('umount', [path]);
  await mover.remove();
});

async function packs(): Promise<string[]> {
  const entries = await readdir(join(mover.repository, 'data'), { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  const sized = await Promise.all(files.map(async file => ({ file, size: (await stat(file)).size })));
  return sized.sort((a, b) => b.size - a.size).map(({ file }) => file);
}

async function flip(file: string): Promise<void> {
  await chmod(file, 0o600);
  const handle = await open(file, 'r+');
  try {
    const position = (await handle.stat()).size >> 1;
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, position);
    byte[0]! ^= 1;
    await handle.write(byte, 0, 1, position);
  } finally {
    await handle.close();
  }
}

describe('a password that is not the repository’s', () => {
  it('is told as such by backup, restore and check, and nothing is made anew', async () => {
    const snapshot = snapshotOf(await mover.backup(volume));
    await writeFile(join(mover.secretsDir, moverSecrets.password), 'another');
    const wrong = { ok: false, code: 'wrong-password' };
    expect(await mover.backup(volume)).toMatchObject(wrong);
    expect(await mover.restore(target, snapshot)).toMatchObject(wrong);
    expect(await mover.run({ ...mover.common(), action: 'check' })).toMatchObject(wrong);
    expect(await readdir(join(mover.repository, 'keys'))).toHaveLength(1);
  });

  it('is missing: that is told too', async () => {
    await rm(join(mover.secretsDir, moverSecrets.password));
    expect(await mover.backup(volume)).toMatchObject({ ok: false, message: expect.stringContaining('password') });
  });
});

describe('a repository that was damaged', () => {
  it.each([
    ['a flipped bit in a pack', flip],
    ['a pack that was cut', (file: string) => chmod(file, 0o600).then(() => truncate(file, 1_000))],
    ['a pack that is gone', (file: string) => rm(file)],
  ])('by %s fails a restore and a check that reads, and says so', async (_, damage) => {
    const snapshot = snapshotOf(await mover.backup(volume));
    await damage((await packs())[0]!);
    expect(await mover.restore(target, snapshot)).toMatchObject({ ok: false, code: 'repository-damaged' });
    expect(await mover.run({ ...mover.common(), action: 'check', subset: '1/1' })).toMatchObject({ ok: false, code: 'repository-damaged' });
  });

  it('somewhere is found by checks of its parts in turn', async () => {
    await mover.backup(volume);
    const parts = ['1/3', '2/3', '3/3'];
    const each = async () => {
      const found: boolean[] = [];
      for (const subset of parts) found.push((await mover.run({ ...mover.common(), action: 'check', subset })).ok);
      return found;
    };
    expect(await each()).toEqual([true, true, true]);
    await flip((await packs())[0]!);
    expect((await each()).filter(ok => !ok)).toHaveLength(1);
  });

  it('a snapshot that is not there is named, and so is a repository', async () => {
    await mover.backup(volume);
    expect(await mover.restore(target, 'f'.repeat(64))).toMatchObject({ ok: false, code: 'snapshot-missing' });
    const elsewhere = { repository: join(mover.dir, 'nowhere') };
    expect(await mover.restore(target, 'f'.repeat(64), elsewhere)).toMatchObject({ ok: false, code: 'snapshot-missing' });
  });
});

describe('a volume', () => {
  it('that is not there, or is no folder, cannot be read or written', async () => {
    const snapshot = snapshotOf(await mover.backup(volume));
    const unreadable = { ok: false, code: 'volume-unreadable' };
    expect(await mover.backup(join(mover.dir, 'nowhere'))).toMatchObject(unreadable);
    expect(await mover.backup(join(volume, 'file-1'))).toMatchObject(unreadable);
    expect(await mover.restore(join(mover.dir, 'nowhere', 'data'), snapshot)).toMatchObject(unreadable);
  });

  it.skipIf(!isRoot)('with files that the mover may not read is not backed up in part: the first ones are named', async () => {
    for (let i = 0; i < 12; i += 1) {
      await chown(join(volume, `file-${i}`), 4711, 4711);
      await chmod(join(volume, `file-${i}`), 0o600);
    }
    const wrapper = join(mover.dir, 'restic-without-rights');
    await writeFile(wrapper, `#!/bin/sh\nexec setpriv --bounding-set=-all --inh-caps=-all "${mover.restic}" "$@"\n`, { mode: 0o755 });
    const result = await mover.run(backupRequest(mover.common(), volume), { restic: wrapper });
    expect(result).toMatchObject({
      ok: false,
      code: 'incomplete',
      message: expect.stringMatching(/file-\d+: permission denied.*and 7 more/),
    });
  });

  it.skipIf(!isRoot)('that is too small is full, and that is not found out file by file', async () => {
    const snapshot = snapshotOf(await mover.backup(volume));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', target]);
    mounted.push(target);
    const result = await mover.restore(target, snapshot);
    expect(result).toMatchObject({ ok: false, code: 'volume-full', message: expect.stringContaining('no space left on device') });
  });

  it.skipIf(!isRoot)('that may not be written is told as such', async () => {
    const snapshot = snapshotOf(await mover.backup(volume));
    await run('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', target]);
    mounted.push(target);
    expect(await mover.restore(target, snapshot)).toMatchObject({ ok: false, code: 'volume-unreadable' });
  });
});

describe('upkeep', () => {
  it('forgets the snapshots that it is told, again without complaint, and with prune their data', async () => {
    const kept = snapshotOf(await mover.backup(volume));
    await writeFile(join(volume, 'more'), randomBytes(5_000_000));
    const gone = snapshotOf(await mover.backup(volume, { time: '2026-11-24T02:00:00.000Z' }));
    const size = async () => (await Promise.all((await packs()).map(async file => (await stat(file)).size))).reduce((a, b) => a + b, 0);
    const before = await size();
    for (const snapshots of [[gone], [gone, 'f'.repeat(64)], []]) {
      expect(await mover.run({ ...mover.common(), action: 'forget', snapshots, prune: false })).toMatchObject({ ok: true });
    }
    expect(await readdir(join(mover.repository, 'snapshots'))).toEqual([kept]);
    expect(await size()).toBe(before);
    expect(await mover.run({ ...mover.common(), action: 'forget', snapshots: [], prune: true })).toMatchObject({ ok: true });
    expect(await size()).toBeLessThan(before - 4_000_000);
    expect(await mover.run({ ...mover.common(), action: 'check', subset: '1/1' })).toMatchObject({ ok: true });
    await rm(join(volume, 'more'));
    expect(await mover.restore(target, kept)).toMatchObject({ ok: true });
    expect(Object.keys(await describeTree(target))).toEqual(Object.keys(await describeTree(volume)));
  });
});
