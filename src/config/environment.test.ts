import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cacheDirectory } from './environment.ts';

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'holdfast-home-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const inHome = (variables: Record<string, string> = {}) => cacheDirectory({ variables, directory: '/', home });

it('keeps its cache where the user keeps caches, and nowhere where there is no such folder', async () => {
  expect(inHome()).toBeUndefined();
  await mkdir(join(home, '.cache'));
  expect(inHome()).toBe(join(home, '.cache/holdfast/compiled'));
  expect(inHome({ XDG_CACHE_HOME: join(home, 'elsewhere') })).toBeUndefined();
  await mkdir(join(home, 'elsewhere'));
  expect(inHome({ XDG_CACHE_HOME: join(home, 'elsewhere') })).toBe(join(home, 'elsewhere/holdfast/compiled'));
});
