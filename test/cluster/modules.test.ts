import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { definitionsIn, goModuleDir, type PinnedModule } from './modules.ts';
import { tempDir } from './temp-dir.ts';

let dir: string;
beforeEach(async () => {
  dir = await tempDir('modules');
  vi.stubEnv('HOLDFAST_CACHE', dir);
});
afterEach(async () => {
  vi.unstubAllEnvs();
});

test.each<[PinnedModule, string, string]>([
  ['github.com/cert-manager/cert-manager', 'deploy/crds', 'certificates.cert-manager.io'],
  ['github.com/kubernetes-csi/external-snapshotter/client/v8', 'config/crd', 'volumesnapshots.snapshot.storage.k8s.io'],
])('%s brings its definitions, the same ones from the cache', async (module, folder, name) => {
  const path = join(await goModuleDir(module), folder);
  const first = await definitionsIn(path);
  expect(first.map(definition => definition.metadata.name)).toContain(name);
  expect(new Set(first.map(definition => definition.kind))).toEqual(new Set(['CustomResourceDefinition']));
  expect(await definitionsIn(path)).toEqual(first);
});

test('a module that cannot be fetched is named with the reason', async () => {
  vi.stubEnv('GOMODCACHE', dir);
  vi.stubEnv('GOPROXY', 'off');
  await expect(goModuleDir('github.com/cert-manager/cert-manager')).rejects.toThrow(
    /module github.com\/cert-manager\/cert-manager: .*GOPROXY=off/s,
  );
});
