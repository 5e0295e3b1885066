import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { binary } from '../cluster/binaries.ts';
import { snapshotOf, type TestMover, testMover } from '../helpers/mover.ts';
import { describeTree } from '../helpers/tree-digest.ts';

const run = promisify(execFile);

let mover: TestMover;
let volume: string;
let target: string;

beforeEach(async () => {
  mover = await testMover();
  volume = join(mover.dir, 'source', 'data');
  target = join(mover.dir, 'target', 'data');
  for (const folder of [volume, target]) await mkdir(folder, { recursive: true });
  await writeFile(join(volume, 'file'), 'content');
});
afterEach(() => mover.remove());

/** What the repository’s only key says of its own making. */
async function keyOf(repository: string): Promise<unknown> {
  const [name = '', ...more] = await readdir(join(repository, 'keys'));
  expect(more).toEqual([]);
  return JSON.parse(await readFile(join(repository, 'keys', name), 'utf8'));
}

function restic(program: string, repository: string, args: readonly string[], environment: Record<string, string> = {}) {
  const env = { PATH: process.env['PATH'], HOME: mover.dir, RESTIC_PASSWORD: mover.password, ...environment };
  return run(program, ['--no-cache', '--repo', repository, ...args], { env });
}

describe('the key of a repository', () => {
  it('that a mover makes takes little to derive, and stock restic reads, checks and goes on with the repository', async () => {
    const backed = await mover.backup(volume);
    expect(await keyOf(mover.repository)).toMatchObject({ kdf: 'scrypt', N: 16_384, r: 8, p: 1 });
    const stock = await binary('restic');
    await restic(stock, mover.repository, ['check', '--read-data']);
    const out = join(mover.dir, 'out');
    await restic(stock, mover.repository, ['restore', '--target', out, `${snapshotOf(backed)}:${volume}`]);
    expect(await readFile(join(out, 'file'), 'utf8')).toBe('content');
    await restic(stock, mover.repository, ['backup', volume]);
    expect(await mover.backup(volume)).toMatchObject({ ok: true, files: 1 });
  });

  it('is made by restic’s own measure where the variable is not set, or asks for less than is good for a password that somebody chose', async () => {
    for (const [name, environment] of Object.entries({
      unset: {},
      little: { HOLDFAST_SCRYPT_N: '1024' },
      odd: { HOLDFAST_SCRYPT_N: '20000' },
    })) {
      const repository = join(mover.dir, name);
      await restic(mover.restic, repository, ['init'], environment);
      const { N } = (await keyOf(repository)) as { N: number };
      expect([1024, 20_000]).not.toContain(N);
    }
  });

  it('may be made by a mover with stock restic, too', async () => {
    const program = await binary('restic');
    const backed = await mover.run(
      { ...mover.common(), action: 'backup', mode: 'Filesystem', path: volume, ...facts },
      { restic: program },
    );
    expect(await mover.restore(target, snapshotOf(backed))).toMatchObject({ ok: true });
    expect(await describeTree(target)).toEqual(await describeTree(volume));
  });
});

const facts = { host: 'agents/workspace', tags: [], time: '2026-11-23T02:00:00.000Z' };
