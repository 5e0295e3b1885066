import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { pruneCompiled } from './compile-cache.ts';

const now = new Date('2026-11-27T02:00:00Z');
const daysAgo = (days: number) => new Date(now.getTime() - days * 24 * 3_600_000);

describe('compiled code that is kept from one start to the next', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await tempDir('compiled');
  });

  async function put(file: string, { written, read = written }: { written: number; read?: number }): Promise<void> {
    await mkdir(join(dir, file, '..'), { recursive: true });
    await writeFile(join(dir, file), 'code');
    await utimes(join(dir, file), daysAgo(read), daysAgo(written));
  }
  const left = async () => (await readdir(dir, { recursive: true })).filter(name => name !== 'looked-through').sort();

  it('goes when no start has read it for four weeks, with folders that nothing is left in', async () => {
    await put('v24-a/old', { written: 60 });
    await put('v24-a/used', { written: 60, read: 27 });
    await put('v24-a/new', { written: 1 });
    await put('v22-b/old', { written: 29 });
    await pruneCompiled(dir, now);
    expect(await left()).toEqual(['v24-a', 'v24-a/new', 'v24-a/used']);
  });

  it('is looked through once a week, also when a clock was put back', async () => {
    await pruneCompiled(dir, now);
    await put('v24-a/old', { written: 60 });
    await pruneCompiled(dir, daysAgo(-6));
    await pruneCompiled(dir, daysAgo(6));
    expect(await left()).toEqual(['v24-a', 'v24-a/old']);
    await pruneCompiled(dir, daysAgo(-7));
    expect(await left()).toEqual([]);
  });

  it('is nobody’s trouble where there is none', async () => {
    await expect(pruneCompiled(join(dir, 'missing'), now)).resolves.toBeUndefined();
  });
});
