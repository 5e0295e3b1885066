import { execFile, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MoverResult } from '../../src/domain/mover.ts';
import { waitFor } from '../cluster/wait.ts';
import { backupRequest, type EmptyRepository, emptyRepository, snapshotOf, type TestMover, testMover } from '../helpers/mover.ts';
import { startMoverProcess } from '../helpers/mover-process.ts';
import { describeTree } from '../helpers/tree-digest.ts';

const run = promisify(execFile);

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
  for (let i = 0; i < 60; i += 1) await writeFile(join(volume, `file-${i}`), randomBytes(500_000));
});
afterEach(() => mover.remove());

/** For a test in which it is to be made. */
const withoutRepository = () => rm(mover.repository, { recursive: true });

const environment = () => ({ RESTIC_PASSWORD: mover.password, RESTIC_REPOSITORY: mover.repository, PATH: process.env['PATH'] });

/** A file that was being written when restic was killed has another name, and locks nothing. */
async function locks(): Promise<string[]> {
  const names = await readdir(join(mover.repository, 'locks')).catch(() => []);
  return names.filter(name => /^[0-9a-f]{64}$/.test(name));
}

/** A restic that works in the repository and is killed as soon as its lock is there. */
async function leaveLock(...args: string[]): Promise<void> {
  const before = (await locks()).length;
  const child = spawn(mover.restic, ['--no-cache', ...args], { env: environment(), stdio: 'ignore' });
  const ended = new Promise(resolve => child.once('close', resolve));
  await waitFor('a lock', async () => ((await locks()).length > before ? true : undefined), { timeoutMs: 60_000, intervalMs: 5 });
  child.kill('SIGKILL');
  await ended;
  expect((await locks()).length).toBeGreaterThan(before);
}

describe('a pod that is killed', () => {
  it('at any moment of a backup, again and again, leaves nothing that needs a hand', async () => {
    await withoutRepository();
    const request = backupRequest(mover.common(), volume);
    const took = await timed(async () => expect(await startMoverProcess(mover, request).exited).toBe(0));
    await withoutRepository();
    for (let i = 0; i < 6; i += 1) {
      const started = startMoverProcess(mover, request);
      await Promise.race([started.exited, delay(randomInt(Math.ceil(took)))]);
      started.signal('SIGKILL', 'pod');
      await started.exited;
    }
    const backed = await mover.backup(volume, { time: '2026-11-24T02:00:00.000Z' });
    expect(backed).toMatchObject({ ok: true });
    expect(await mover.run({ ...mover.common(), action: 'forget', snapshots: [], prune: true })).toMatchObject({ ok: true });
    expect(await mover.run({ ...mover.common(), action: 'check', subset: '1/1' })).toMatchObject({ ok: true });
    expect(await mover.restore(target, snapshotOf(backed))).toMatchObject({ ok: true });
    expect(await describeTree(target)).toEqual(await describeTree(volume));
    expect(await locks()).toEqual([]);
  });

  it('between the two files that make a repository leaves one that the next backup makes whole', async () => {
    await withoutRepository();
    await run(mover.restic, ['--no-cache', 'init'], { env: environment() });
    await rm(join(mover.repository, 'config'));
    expect(await readdir(join(mover.repository, 'keys'))).toHaveLength(1);
    expect(await mover.backup(volume)).toMatchObject({ ok: true });
    expect(await readdir(join(mover.repository, 'keys'))).toHaveLength(1);
  });

  it('in the middle of a restore lets the next one go on, and it is whole', async () => {
    const snapshot = snapshotOf(await mover.backup(volume));
    const request = {
      ...mover.common(),
      action: 'restore',
      mode: 'Filesystem',
      path: target,
      snapshot,
      include: [],
      deleteOthers: false,
    } as const;
    const started = startMoverProcess(mover, request);
    await waitFor('the first files', async () => ((await readdir(target)).length > 2 ? true : undefined), {
      timeoutMs: 60_000,
      intervalMs: 1,
    });
    started.signal('SIGKILL', 'pod');
    await started.exited;
    expect(await mover.restore(target, snapshot)).toMatchObject({ ok: true });
    expect(await describeTree(target)).toEqual(await describeTree(volume));
  });
});

/** Slow enough to be killed at work: it reads a kibibyte a second. */
const prune = ['prune', '--limit-download', '1'];

describe('a lock that was left', () => {
  it.each([
    ['a backup', 'forget', ['backup', '--stdin-from-command', '--', 'sleep', '60']],
    ['a prune', 'backup', prune],
    ['a prune', 'forget', prune],
    ['a prune', 'check', prune],
    ['a prune', 'restore', prune],
  ] as const)('by %s does not stand in the way of %s', async (_, action, left) => {
    const snapshot = snapshotOf(await mover.backup(volume));
    await leaveLock(...left);
    const done = {
      backup: () => mover.backup(volume),
      forget: () => mover.run({ ...mover.common(), action: 'forget', snapshots: [snapshot], prune: true }),
      check: () => mover.run({ ...mover.common(), action: 'check' }),
      restore: () => mover.restore(target, snapshot),
    } satisfies Record<typeof action, () => Promise<MoverResult>>;
    expect(await done[action]()).toMatchObject({ ok: true });
  });
});

describe('a mover that is told to end', () => {
  it('ends its restic, says that it was interrupted, and leaves no lock', async () => {
    await mover.backup(volume);
    for (let i = 0; i < 300; i += 1) await writeFile(join(volume, `more-${i}`), randomBytes(500_000));
    const started = startMoverProcess(mover, backupRequest(mover.common(), volume));
    await waitFor('a lock', async () => ((await locks()).length > 0 ? true : undefined), { timeoutMs: 60_000, intervalMs: 5 });
    started.signal('SIGTERM', 'mover');
    expect(await started.exited).toBe(1);
    expect(JSON.parse(await readFile(mover.resultFile, 'utf8'))).toMatchObject({ ok: false, action: 'backup', code: 'interrupted' });
    expect(await locks()).toEqual([]);
    expect(await readdir(join(mover.repository, 'snapshots'))).toHaveLength(1);
  });

  it('before it began does nothing', async () => {
    await withoutRepository();
    const signal = AbortSignal.abort();
    expect(await mover.run(backupRequest(mover.common(), volume), { signal })).toMatchObject({ ok: false, code: 'interrupted' });
    expect(await readdir(mover.dir)).not.toContain('repository');
  });
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
