import { randomBytes } from 'node:crypto';
import { chmod, chown, link, mkdir, open, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { seal } from '../../src/crypto/age.ts';
import type { VolumeMode, VolumeRecord } from '../../src/domain/volume.ts';
import { volumeKey, volumePasswordKey } from '../../src/repository/layout.ts';
import { configMap, makeRepository, newKeys, type TestRepository, writeSet } from '../contract/repository-fixture.ts';
import { having } from '../helpers/having.ts';
import { type TestMover, testMover } from '../helpers/mover.ts';
import { bringBackWithoutUs, stockTools } from '../helpers/stock-tools.ts';
import { describeTree } from '../helpers/tree-digest.ts';

const claim = { namespace: 'agents', claim: 'workspace' };
const set = '20261123T020000Z-monthly-k3f9';

const { describe } = having('jq', 'openssl');
let programs: string;
let location: TestRepository;
let mover: TestMover;
let out: string;

beforeAll(async () => {
  programs = await stockTools();
});

beforeEach(async () => {
  location = await makeRepository();
  mover = await testMover({ store: { repository: join(location.dir, volumeKey(claim)) } });
  out = join(mover.dir, 'out');
  await mkdir(out);
  await mkdir(mover.repository, { recursive: true });
  const sealed = await seal([location.keys.recipient], Buffer.from(`${mover.password}\n`));
  await writeFile(join(location.dir, volumePasswordKey(volumeKey(claim), true)), sealed);
});
afterEach(async () => {
  await mover.remove();
  await location.remove();
});

/** Backs the volume up as its mover does, and commits a set that names it. */
async function backUp(path: string, volumeMode: VolumeMode): Promise<void> {
  const result = await mover.backup(path, { mode: volumeMode });
  if (!result.ok) throw new Error(JSON.stringify(result));
  const { snapshot = '', files = 0, bytes = 0, addedBytes = 0, durationMs } = result;
  const data = { repository: volumeKey(claim), snapshot, source: 'snapshot', files, bytes, addedBytes, durationMs } as const;
  const other: VolumeRecord = { namespace: 'agents', claim: 'other', state: 'not-protected', reason: 'nobody asked for it' };
  const record: VolumeRecord = { ...claim, state: 'captured', reason: '', volumeMode, data };
  await writeSet(location.repository, location.keys, { id: set, objects: [configMap('a')], volumes: [other, record] });
}

async function follow(changes: Record<string, string> = {}, what: 'all' | 'file' = 'all'): Promise<string> {
  const identity = await written('identity.txt', `${location.keys.identity}\n`);
  const signingKey = await written('signing.pub', location.keys.publicPem);
  const names = { NAMESPACE: claim.namespace, CLAIM: claim.claim, IDENTITY: identity, SIGNING_KEY: signingKey };
  const variables = { HOME: mover.dir, REPO: location.dir, SET: set, OUT: out, ...names, ...changes };
  return bringBackWithoutUs({ programs, what, variables });
}

describe('docs/volumes-without-us.md', () => {
  it('brings the files of a claim back with stock tools alone, to the last attribute', async () => {
    const volume = join(mover.dir, 'data');
    await mkdir(join(volume, 'src/deep'), { recursive: true });
    for (let i = 0; i < 20; i += 1) await writeFile(join(volume, 'src', `file-${i} ünï`), randomBytes(i * 40_000));
    await link(join(volume, 'src/file-7 ünï'), join(volume, 'src/deep/link'));
    await symlink('src', join(volume, 'symlink'));
    await chmod(join(volume, 'src/file-3 ünï'), 0o4750);
    if (process.getuid?.() === 0) await chown(join(volume, 'src/deep'), 1000, 2000);
    const sparse = await open(join(volume, 'sparse'), 'w');
    await sparse.write('end', 30_000_000);
    await sparse.close();
    await backUp(volume, 'Filesystem');
    await follow();
    expect(await describeTree(join(out, 'data'))).toEqual(await describeTree(volume));
    expect((await stat(join(out, 'data/sparse'))).blocks).toBeLessThan(4_000);
    expect(await readdir(out)).not.toContain('password');
  });

  it('brings a single file back, and nothing else', async () => {
    const volume = join(mover.dir, 'data');
    await mkdir(join(volume, 'src'), { recursive: true });
    for (const name of ['one', 'two']) await writeFile(join(volume, 'src', name), randomBytes(40_000));
    await backUp(volume, 'Filesystem');
    const file = join(volume, 'src/two');
    expect(await follow({ FILE: file }, 'file')).toContain(`${file}\n`);
    expect((await readFile(join(out, file))).equals(await readFile(file))).toBe(true);
    expect(await readdir(join(out, volume, 'src'))).toEqual(['two']);
    expect(await readdir(out)).not.toContain('password');
  });

  it('brings a block volume back as its image', async () => {
    const image = join(mover.dir, 'image');
    await writeFile(image, Buffer.concat([randomBytes(5_000_000), Buffer.alloc(9_000_000), randomBytes(512)]));
    await backUp(image, 'Block');
    await follow();
    expect((await readFile(join(out, 'volume.img'))).equals(await readFile(image))).toBe(true);
  });

  it.each<[string, () => Promise<Record<string, string>>]>([
    ['the signature of another key', async () => ({ SIGNING_KEY: await written('stranger.pub', (await newKeys()).publicPem) })],
    ['another identity', async () => ({ IDENTITY: await written('stranger.txt', `${(await newKeys()).identity}\n`) })],
    ['a claim that the set has no data of', async () => ({ CLAIM: 'other' })],
  ])('stops at %s', async (_, change) => {
    const volume = join(mover.dir, 'data');
    await mkdir(volume);
    await backUp(volume, 'Filesystem');
    await expect(follow(await change())).rejects.toMatchObject({ code: expect.any(Number) });
    expect(await readdir(out)).not.toContain('data');
  });
});

async function written(name: string, text: string): Promise<string> {
  const file = join(mover.dir, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}
