import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { baseImagePrograms, importBaseImages } from './base-images.ts';
import { type DockerEngine, enginePrograms, startDockerEngine } from './docker-engine.ts';
import { holdfastImage } from './holdfast-image.ts';
import { findProgram, searchPath } from './system-programs.ts';

const run = promisify(execFile);
const projectDir = resolve(import.meta.dirname, '../..');
const image = 'holdfast:built';

/** It takes minutes, most of which are the compiler’s of restic. Who asks for it is told what is missing. */
const asked = process.env['HOLDFAST_TEST_DOCKERFILE'] === '1';

function checkMachine(): void {
  if (process.getuid?.() !== 0) throw new Error('an engine needs root');
  const missing = [...enginePrograms, ...baseImagePrograms].filter(name => findProgram(name, searchPath()) === undefined);
  if (missing.length > 0) throw new Error(`not on this machine: ${missing.join(', ')}; Debian has the engine in the package docker.io`);
}

/** Sizes of the files of a tar, by path without a slash in front. */
async function filesIn(archive: Readable): Promise<ReadonlyMap<string, number>> {
  const files = new Map<string, number>();
  const reader = extract();
  reader.on('entry', ({ name, type, size }, content, next) => {
    if (type === 'file') files.set(name.replace(/^\.?\//, ''), size ?? 0);
    content.resume().on('end', next);
  });
  await pipeline(archive, reader);
  return files;
}

/** The files of the program; the digests in their names are of contents, in which stands where packages lie on the machine that bundles them. */
const program = (files: ReadonlyMap<string, number>) =>
  [...files.keys()]
    .filter(path => path.startsWith('opt/holdfast/dist/'))
    .map(path => path.replace(/-[0-9A-Z]{8}\.js$/, '.js'))
    .sort();

/** A real engine builds it; the images that it begins with are made of this machine, since no registry need answer. */
describe.skipIf(!asked)(`the image that deploy/Dockerfile builds${asked ? '' : ' (skipped: `make dockerfile` runs it)'}`, () => {
  let engine: DockerEngine;

  beforeAll(async () => {
    checkMachine();
    engine = await startDockerEngine();
    const dockerfile = await readFile(join(projectDir, 'deploy/Dockerfile'), 'utf8');
    const name = (of: string) => new RegExp(`^FROM (${of}:\\S+)`, 'm').exec(dockerfile)?.[1] ?? '';
    await importBaseImages(engine, { node: name('node'), golang: name('golang') });
    await engine.docker('build', '--network', 'host', '--file', join(projectDir, 'deploy/Dockerfile'), '--tag', image, projectDir);
  }, 900_000);
  afterAll(() => engine?.stop());

  /** With nothing that it may write but /tmp, as a cluster runs it. */
  const inImage = (options: readonly string[], ...words: string[]) =>
    engine.docker('run', '--rm', '--network', 'none', '--read-only', '--tmpfs', '/tmp', ...options, image, ...words);
  const shell = (line: string) => inImage(['--entrypoint', '/bin/sh'], '-c', line);

  it('runs holdfast and its restic as a user without rights, on a root that cannot be written', async () => {
    const { version } = JSON.parse(await readFile(join(projectDir, 'package.json'), 'utf8'));
    expect(await inImage([], 'version')).toContain(`holdfast ${version}`);
    expect(await shell('holdfast version')).toContain(`holdfast ${version}`);
    expect(await shell('restic version')).toMatch(/^restic 0\.\d+/);
    expect(await shell('id -u; id -g')).toBe('65532\n65532');
    expect(await shell('touch /tmp/there && ls /tmp; touch /here /opt/holdfast/here 2>/dev/null || echo refused')).toBe('there\nrefused');
  });

  it('has the authorities that a store is trusted by, and no package manager of Node', async () => {
    expect(await shell('grep -c BEGIN /etc/ssl/certs/ca-certificates.crt')).toMatch(/^\d{3}$/);
    expect(await shell('command -v npm npx corepack || echo none')).toBe('none');
  });

  it('has at most 150 MB, compressed', async () => {
    const bytes = await engine.dockerTo(
      async output => {
        let size = 0;
        await pipeline(output, createGzip({ level: 1 }), async (chunks: AsyncIterable<Buffer>) => {
          for await (const chunk of chunks) size += chunk.length;
        });
        return size;
      },
      'save',
      image,
    );
    expect(bytes).toBeGreaterThan(20e6);
    expect(bytes).toBeLessThan(150e6);
  });

  it('has the program and the settings of the one that is built without an engine', async () => {
    const other = await holdfastImage();
    const read = async (path: string) => JSON.parse((await run('tar', ['-xOf', other.file, path], { maxBuffer: 1 << 20 })).stdout);
    const blob = (digest: string) => `blobs/sha256/${digest.slice('sha256:'.length)}`;
    const manifest = await read(blob((await read('index.json')).manifests[0].digest));
    const { config } = await read(blob(manifest.config.digest));
    const [inspected] = JSON.parse(await engine.docker('image', 'inspect', image));
    const of = ({ Entrypoint, User, WorkingDir, Env }: Record<string, unknown>) => ({ Entrypoint, User, WorkingDir, Env });
    const own = (names: unknown) => (names as string[]).filter(line => /^(MALLOC_|NODE_ENV)/.test(line)).sort();
    expect({ ...of(inspected.Config), Env: own(inspected.Config.Env) }).toEqual({ ...of(config), Env: own(config.Env) });

    const container = await engine.docker('create', image);
    const files = await engine.dockerTo(filesIn, 'export', container);
    const top = blob(manifest.layers.at(-1).digest);
    const layer = spawn('/bin/sh', ['-c', 'tar -xOf "$1" "$2" | gzip -dc', 'sh', other.file, top], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const theirs = await filesIn(layer.stdout);
    expect(program(theirs).length).toBeGreaterThan(20);
    expect(program(files)).toEqual(program(theirs));
    expect([...files.keys()]).toEqual(expect.arrayContaining(['usr/local/bin/node', 'usr/local/bin/restic', 'opt/holdfast/LICENSE']));
  });
});
