import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, expect, test } from 'vitest';
import { programEntries } from './images.ts';
import { type ImageSpec, writeImage } from './oci-image.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);
let dir: string;
beforeEach(async () => {
  dir = await tempDir('image');
});

async function sample(): Promise<ImageSpec> {
  const source = join(dir, 'program');
  await writeFile(source, 'x'.repeat(100_000));
  await chmod(source, 0o755);
  return {
    reference: 'localhost/sample:7',
    layers: [
      [
        { kind: 'file', path: '/usr/bin/program', source, uid: 10, gid: 20 },
        { kind: 'link', path: '/usr/bin/alias', target: 'program' },
      ],
      [
        { kind: 'text', path: '/etc/hello', text: 'hello\n' },
        { kind: 'folder', path: '/tmp', mode: 0o1777 },
      ],
    ],
    entrypoint: ['/usr/bin/program'],
    environment: { A: 'b' },
    user: '1000:1000',
  };
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string; readonly size: number }[];
}

const blob = (digest: string) => join('blobs', digest.replace(':', '/'));

/** Unpacks the layout and holds each blob to the digest that it is called by. */
async function unpack(file: string) {
  const root = await mkdtemp(join(dir, 'layout-'));
  await run('tar', ['-xf', file, '-C', root]);
  const read = async (path: string) => JSON.parse(await readFile(join(root, path), 'utf8'));
  const checked = async (digest: string) => {
    expect(
      `sha256:${createHash('sha256')
        .update(await readFile(join(root, blob(digest))))
        .digest('hex')}`,
    ).toBe(digest);
    return join(root, blob(digest));
  };
  const index = await read('index.json');
  const manifest = (await read(blob(index.manifests[0].digest))) as Manifest;
  await checked(index.manifests[0].digest);
  await checked(manifest.config.digest);
  const layers = await Promise.all(manifest.layers.map(({ digest }) => checked(digest)));
  return { index, manifest, config: await read(blob(manifest.config.digest)), layers };
}

test('an image has its layers, owners, modes and links, under digests that are true before and after compression', async () => {
  const file = join(dir, 'image.tar');
  const written = await writeImage(await sample(), file);
  const { index, manifest, config, layers } = await unpack(file);
  expect(index.manifests[0]).toMatchObject({
    digest: written.digest,
    annotations: { 'io.containerd.image.name': 'localhost/sample:7', 'org.opencontainers.image.ref.name': '7' },
  });
  expect(written.bytes).toBe(manifest.layers[0]!.size + manifest.layers[1]!.size);
  expect(config.config).toMatchObject({ Entrypoint: ['/usr/bin/program'], Env: ['A=b'], User: '1000:1000' });
  for (const [number, layer] of layers.entries()) {
    const { stdout } = await run('gzip', ['-dc', layer], { encoding: 'buffer', maxBuffer: 1e9 });
    expect(config.rootfs.diff_ids[number]).toBe(`sha256:${createHash('sha256').update(stdout).digest('hex')}`);
  }
  const listing = async (layer: string) => (await run('tar', ['--numeric-owner', '-tvzf', layer])).stdout;
  const first = await listing(layers[0]!);
  expect(first).toMatch(/^drwxr-xr-x 0\/0 .* usr\/\ndrwxr-xr-x 0\/0 .* usr\/bin\/\n/);
  expect(first).toMatch(/-rwxr-xr-x 10\/20 +100000 .* usr\/bin\/program/);
  expect(first).toMatch(/usr\/bin\/alias -> program/);
  expect(await listing(layers[1]!)).toMatch(/drwxrwxrwt 0\/0 .* tmp\//);
});

test('the same files make the same bytes, whenever they were written', async () => {
  const first = await writeImage(await sample(), join(dir, 'first.tar'));
  const second = await writeImage(await sample(), join(dir, 'second.tar'));
  expect(second).toEqual(first);
  expect(await readFile(join(dir, 'second.tar'))).toEqual(await readFile(join(dir, 'first.tar')));
});

test('what cannot be read is named, and no image appears', async () => {
  const spec = await sample();
  const broken = { ...spec, layers: [...spec.layers, [{ kind: 'file', path: '/x', source: join(dir, 'missing') }]] } satisfies ImageSpec;
  await expect(writeImage(broken, join(dir, 'image.tar'))).rejects.toThrow('missing');
  await expect(readFile(join(dir, 'image.tar'))).rejects.toThrow('ENOENT');
});

test('a dynamic program comes with its loader and libraries', async () => {
  const entries = await programEntries(process.execPath, '/usr/local/bin/node');
  const paths = entries.map(({ path }) => path);
  expect(paths[0]).toBe('/usr/local/bin/node');
  expect(paths.slice(1).join(' ')).toMatch(/ld-linux.*libc\.so|libc\.so.*ld-linux/);
});
