import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { canLoop, type LoopDevice, loopDevice } from '../helpers/loop-device.ts';
import { type EmptyRepository, emptyRepository, snapshotOf, type TestMover, testMover } from '../helpers/mover.ts';

const run = promisify(execFile);
const loops = await canLoop();
const block = { mode: 'Block' } as const;
const mebibyte = 2 ** 20;

let empty: EmptyRepository;
let mover: TestMover;
let devices: LoopDevice[];

beforeAll(async () => {
  empty = await emptyRepository();
});
beforeEach(async () => {
  mover = await testMover({ empty });
  devices = [];
});
afterEach(async () => {
  for (const device of devices) await device.remove();
  await mover.remove();
});

async function device(name: string, content: Buffer | number): Promise<string> {
  const made = await loopDevice(join(mover.dir, name), content);
  devices.push(made);
  return made.path;
}

/** Data, zeros, data, and an end that is no multiple of anything large. */
function image(): Buffer {
  return Buffer.concat([randomBytes(3 * mebibyte + 512), Buffer.alloc(9 * mebibyte), randomBytes(2 * mebibyte), Buffer.alloc(7 * 512)]);
}

async function digest(path: string, bytes: number): Promise<string> {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(buffer, 0, bytes, 0);
    return `${bytesRead} ${createHash('sha256').update(buffer).digest('hex')}`;
  } finally {
    await file.close();
  }
}

describe('an image', () => {
  it('comes back to the byte, thin where it was zeros, and stock restic dumps the same', async () => {
    const source = join(mover.dir, 'source');
    const target = join(mover.dir, 'target');
    await writeFile(source, image());
    await writeFile(target, '');
    const { size } = await stat(source);
    const backed = await mover.backup(source, block);
    expect(backed).toMatchObject({ ok: true, files: 1, bytes: size });
    const snapshot = snapshotOf(backed);
    expect(await mover.restore(target, snapshot, block)).toMatchObject({ ok: true, files: 1, bytes: size });
    expect((await readFile(target)).equals(await readFile(source))).toBe(true);
    expect((await stat(target)).blocks * 512).toBeLessThan(7 * mebibyte);
    const dumped = join(mover.dir, 'dumped');
    const env = { RESTIC_PASSWORD: mover.password, RESTIC_REPOSITORY: mover.repository, PATH: process.env['PATH'] };
    await run(mover.restic, ['--no-cache', 'dump', '--target', dumped, snapshot, '/volume.img'], { env });
    expect((await readFile(dumped)).equals(await readFile(source))).toBe(true);
  });

  it('overwrites with zeros what the target has in their place', async () => {
    const source = join(mover.dir, 'source');
    const target = join(mover.dir, 'target');
    await writeFile(source, image());
    await writeFile(target, randomBytes(20 * mebibyte));
    await mover.restore(target, snapshotOf(await mover.backup(source, block)), block);
    expect((await readFile(target)).equals(await readFile(source))).toBe(true);
  });

  it('that changed a little adds a little', async () => {
    const source = join(mover.dir, 'source');
    const content = Buffer.concat([randomBytes(24 * mebibyte)]);
    await writeFile(source, content);
    await mover.backup(source, block);
    content.fill(0xa5, 12 * mebibyte, 12 * mebibyte + 100);
    await writeFile(source, content);
    const again = await mover.backup(source, block);
    expect(again.ok && again.addedBytes).toBeGreaterThan(0);
    expect(again.ok && again.addedBytes).toBeLessThan(9 * mebibyte);
  });

  it('is not made of a snapshot of files', async () => {
    const file = join(mover.dir, 'file');
    await writeFile(file, 'x');
    const files = snapshotOf(await mover.backup(mover.secretsDir));
    expect(await mover.restore(file, files, block)).toMatchObject({ ok: false, code: 'snapshot-missing' });
    expect(await readFile(file, 'utf8')).toBe('x');
  });

  it('that is no image, or is not there, is told as such', async () => {
    expect(await mover.backup(join(mover.dir, 'nowhere'), block)).toMatchObject({ ok: false, code: 'volume-unreadable' });
    expect(await mover.backup(mover.dir, block)).toMatchObject({ ok: false, code: 'volume-unreadable' });
  });
});

describe.skipIf(!loops)('a block device', () => {
  it('comes back to the byte, onto a larger one too', async () => {
    const content = image();
    const source = await device('source', content);
    const snapshot = snapshotOf(await mover.backup(source, block));
    const target = await device('target', content.length + 4 * mebibyte);
    expect(await mover.restore(target, snapshot, block)).toMatchObject({ ok: true, bytes: content.length });
    expect(await digest(target, content.length)).toBe(await digest(source, content.length));
    expect((await stat(join(mover.dir, 'target'))).blocks * 512).toBeLessThan(7 * mebibyte);
  });

  it('that is too small is refused before anything is written to it', async () => {
    const content = image();
    const snapshot = snapshotOf(await mover.backup(await device('source', content), block));
    const target = await device('target', content.length - 512);
    const result = await mover.restore(target, snapshot, block);
    expect(result).toMatchObject({ ok: false, code: 'volume-full', message: expect.stringContaining(`${content.length} bytes`) });
    expect((await stat(join(mover.dir, 'target'))).blocks).toBe(0);
  });

  it('that cannot be read to its end makes no snapshot', async () => {
    const source = await device('source', randomBytes(16 * mebibyte));
    await truncate(join(mover.dir, 'source'), 6 * mebibyte);
    const result = await mover.backup(source, block);
    expect(result).toMatchObject({
      ok: false,
      code: 'volume-unreadable',
      message: expect.stringMatching(/device cannot be read: EIO|command failed/),
    });
    const env = { RESTIC_PASSWORD: mover.password, RESTIC_REPOSITORY: mover.repository, PATH: process.env['PATH'] };
    const { stdout } = await run(mover.restic, ['--no-cache', '--json', 'snapshots'], { env });
    expect(JSON.parse(stdout)).toEqual([]);
  });

  it('that cannot be written is told as such', async () => {
    const snapshot = snapshotOf(await mover.backup(await device('source', image()), block));
    const target = await device('target', 32 * mebibyte);
    await run('blockdev', ['--setro', target]);
    const result = await mover.restore(target, snapshot, block);
    expect(result).toMatchObject({ ok: false, code: 'volume-unreadable' });
  });
});
