import { spawn } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { withLock } from '../cluster/lock.ts';
import { type Keeping, markUsed, pruneFolder } from '../cluster/prune-cache.ts';
import { tempDir } from '../cluster/temp-dir.ts';

const hourMs = 3_600_000;
const keeping: Keeping = { newest: 2, unusedMs: 24 * hourMs };
const key = (digit: number) => String(digit).repeat(12);

describe('the cache of what was built', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await tempDir('prune');
  });

  const used = async (name: string, hoursAgo: number) => {
    const at = new Date(Date.now() - hoursAgo * hourMs);
    await utimes(join(dir, name), at, at);
  };
  const put = async (name: string, hoursAgo: number) => {
    await writeFile(join(dir, name), name);
    await used(name, hoursAgo);
  };
  const left = async () => (await readdir(dir)).sort();
  const driver = (digit: number) => `csi-driver-${key(digit)}`;

  it('keeps the newest two of each name, and what was used within a day', async () => {
    for (const [digit, hours] of [90, 80, 70, 60].entries()) await put(driver(digit), hours);
    for (const [digit, hours] of [25, 23, 22, 21].entries()) await put(`csi-sanity-${key(digit)}`, hours);
    await put(`csi-${key(1)}`, 1_000);
    const removed = await pruneFolder(dir, keeping);
    expect([...removed].sort()).toEqual([driver(0), driver(1), `csi-sanity-${key(0)}`].map(name => join(dir, name)));
    expect(await left()).toEqual([`csi-${key(1)}`, driver(2), driver(3), ...[1, 2, 3].map(digit => `csi-sanity-${key(digit)}`)].sort());
  });

  it('keeps nothing old of a tool that is not used any more, and touches nothing that it does not know', async () => {
    for (const name of [driver(1), `etcd-${key(1)}`, 'schemathesis-4.32.5', 'notes.txt', `${key(1)}.json`]) await put(name, 100);
    await put(`gone-${key(1)}`, 100);
    await put(`gone-${key(2)}`, 1);
    const names = ['csi-driver', 'etcd'];
    expect(await pruneFolder(dir, { ...keeping, names })).toEqual([join(dir, `gone-${key(1)}`)]);
    expect(await left()).toHaveLength(6);
    expect(await pruneFolder(join(dir, 'missing'), keeping)).toEqual([]);
  });

  it('goes by the last use, not by the making', async () => {
    for (const digit of [1, 2, 3]) await put(driver(digit), 50 - digit);
    expect(await markUsed(join(dir, driver(1)))).toBe(true);
    expect(await markUsed(join(dir, driver(4)))).toBe(false);
    await pruneFolder(dir, keeping);
    expect(await left()).toEqual([driver(1), driver(3)]);
  });

  it('removes an image with what is written beside it, where its use is marked', async () => {
    const image = (digit: number) => `holdfast-${key(digit)}.tar`;
    for (const digit of [1, 2, 3, 4]) {
      await put(image(digit), 50 - digit);
      await put(`${image(digit)}.json`, 50 - digit);
    }
    await markUsed(join(dir, `${image(1)}.json`));
    await pruneFolder(dir, keeping);
    expect(await left()).toEqual([image(1), image(4)].flatMap(name => [name, `${name}.json`]));
  });

  it('removes a folder with what is in it', async () => {
    const images = (digit: number) => `images-${key(digit)}`;
    for (const digit of [1, 2, 3]) {
      await mkdir(join(dir, images(digit)));
      await writeFile(join(dir, images(digit), 'layer'), '');
      await used(images(digit), 50 - digit);
    }
    await markUsed(join(dir, images(1)));
    expect(await pruneFolder(dir, keeping)).toEqual([join(dir, images(2))]);
    expect(await left()).toEqual([images(1), images(3)]);
  });

  it('leaves what is locked, and takes it once the lock is free', async () => {
    for (const digit of [1, 2, 3]) await put(driver(digit), 50 - digit);
    await withLock(join(dir, `${driver(1)}.lock`), async () => expect(await pruneFolder(dir, keeping)).toEqual([]));
    expect(await pruneFolder(dir, keeping)).toEqual([join(dir, driver(1))]);
    expect(await left()).toEqual([driver(2), driver(3)]);
  });

  it('removes what killed builds have left, a day later', async () => {
    const half = `${driver(1)}.0b5a4b0e-fc7c-4a5e-8d5f-1a3a6a8a9a77`;
    for (const name of [half, `${half}.log`, `${driver(1)}.lock`]) await put(name, 25);
    await put(`${driver(2)}.lock`, 23);
    await mkdir(join(dir, `holdfast-${key(1)}.tar.folder`));
    await writeFile(join(dir, `holdfast-${key(1)}.tar.folder`, 'layer-0'), '');
    await used(`holdfast-${key(1)}.tar.folder`, 25);
    await pruneFolder(dir, keeping);
    expect(await left()).toEqual([`${driver(2)}.lock`]);
  });

  it.skipIf(process.platform !== 'linux')('leaves a program that runs', async () => {
    for (const digit of [1, 2, 3, 4]) {
      await copyFile('/bin/sh', join(dir, driver(digit)));
      await used(driver(digit), 50 - digit);
    }
    const child = spawn(join(dir, driver(1)), ['-c', 'read line'], { argv0: 'sh', stdio: ['pipe', 'ignore', 'ignore'] });
    const ended = new Promise(resolve => child.once('exit', resolve));
    try {
      await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
      await pruneFolder(dir, keeping);
      expect(await left()).toEqual([1, 3, 4].map(driver));
    } finally {
      child.stdin.end();
      await ended;
    }
    await pruneFolder(dir, keeping);
    expect(await left()).toEqual([3, 4].map(driver));
  });

  it('may be looked through by many at once, and nobody loses what he uses meanwhile', async () => {
    for (let round = 0; round < 3; round++) {
      for (const digit of [1, 2, 3, 4, 5, 6]) await put(driver(digit), 50 - digit);
      const use = async () => {
        const file = join(dir, driver(1));
        return (await markUsed(file)) ? file : undefined;
      };
      const [, , , ...files] = await Promise.all([...[1, 2, 3].map(() => pruneFolder(dir, keeping)), ...[1, 2, 3].map(use)]);
      for (const file of files) if (typeof file === 'string') expect(await readFile(file, 'utf8')).toBe(driver(1));
      expect(await left()).toContain(driver(6));
      for (const name of await left()) await rm(join(dir, name));
    }
  });
});
