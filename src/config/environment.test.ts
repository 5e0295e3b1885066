import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { cacheDirectory, ownPod } from './environment.ts';

let home = '';
beforeAll(async () => {
  home = await tempDir('home');
});

const inHome = (variables: Record<string, string> = {}) => cacheDirectory({ variables, directory: '/', home });

it('keeps its cache where the user keeps caches, and nowhere where there is no such folder', async () => {
  expect(inHome()).toBeUndefined();
  await mkdir(join(home, '.cache'));
  expect(inHome()).toBe(join(home, '.cache/holdfast/compiled'));
  expect(inHome({ XDG_CACHE_HOME: join(home, 'elsewhere') })).toBeUndefined();
  await mkdir(join(home, 'elsewhere'));
  expect(inHome({ XDG_CACHE_HOME: join(home, 'elsewhere') })).toBe(join(home, 'elsewhere/holdfast/compiled'));
});

it('knows the pod that it runs in by its variables, and none outside of pods', async () => {
  const pod = (variables: Record<string, string>) => ownPod({ variables, directory: '/', home });
  expect(await pod({ POD_NAMESPACE: 'holdfast', POD_NAME: 'holdfast-1', HOSTNAME: 'short' })).toEqual({
    namespace: 'holdfast',
    name: 'holdfast-1',
  });
  expect(await pod({ POD_NAMESPACE: 'holdfast', HOSTNAME: 'holdfast-1' })).toEqual({ namespace: 'holdfast', name: 'holdfast-1' });
  expect(await pod({ POD_NAMESPACE: 'holdfast' })).toBeUndefined();
  expect(await pod({ POD_NAME: 'holdfast-1', HOSTNAME: 'laptop' })).toBeUndefined();
});
