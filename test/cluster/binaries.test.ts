import { execFile } from 'node:child_process';
import { access, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { binary, cacheDir } from './binaries.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);
let dir: string;

beforeEach(async () => {
  dir = await tempDir('binaries');
  vi.stubEnv('HOLDFAST_CACHE', join(dir, 'cache'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
});

test('two processes that need a program at the same time build it once and get the same path', async () => {
  const build = () => run(process.execPath, [join(import.meta.dirname, 'build.ts'), 'age-keygen']);
  const outputs = (await Promise.all([build(), build()])).map(({ stdout }) => stdout.trim().split('\n'));
  expect(outputs.flat().filter(line => line.includes('building filippo.io/age/cmd/age-keygen'))).toHaveLength(1);
  const [first, second] = outputs.map(lines => lines.at(-1));
  expect(first).toBe(second);
  const files = await readdir(join(cacheDir(), 'bin'));
  expect(files).toEqual([expect.stringMatching(/^age-keygen-[0-9a-f]{12}$/)]);
});

test('the lock of a dead process is taken over, and what is built is kept', async () => {
  const lines: string[] = [];
  const path = await binary('age-keygen', line => lines.push(line));
  await rm(path);
  const { stdout } = await run(process.execPath, ['-p', 'process.pid']);
  await writeFile(`${path}.lock`, stdout.trim());
  expect(await binary('age-keygen', line => lines.push(line))).toBe(path);
  await access(path);
  const built = lines.length;
  expect(await binary('age-keygen', line => lines.push(line))).toBe(path);
  expect(lines).toHaveLength(built);
});

test('a missing go command is named, with what to do', async () => {
  vi.stubEnv('PATH', dir);
  await expect(binary('age')).rejects.toThrow(/the go command is not in PATH: install Go/);
});

test('a failing build reports what the compiler or the module loader said, and leaves nothing in the cache', async () => {
  await mkdir(join(dir, 'modules'));
  vi.stubEnv('GOMODCACHE', join(dir, 'modules'));
  vi.stubEnv('GOPROXY', 'off');
  await expect(binary('age')).rejects.toThrow(/building age \(filippo.io\/age\/cmd\/age\) failed with exit code 1:\n.*GOPROXY=off/s);
  expect(await readdir(join(cacheDir(), 'bin'))).toEqual([]);
});

test('an installed program of another version is not used', async () => {
  const other = join(dir, 'etcd');
  await writeFile(other, '#!/bin/sh\necho "etcd Version: 3.5.9"\n', { mode: 0o755 });
  vi.stubEnv('KUBEBUILDER_ASSETS', dir);
  expect(await binary('etcd')).not.toBe(other);
  await writeFile(other, '#!/bin/sh\necho "etcd Version: 3.6.99"\n', { mode: 0o755 });
  expect(await binary('etcd')).toBe(other);
});
