import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { prepareSystem } from '../cluster/system-packages.ts';
import { tempDir } from '../cluster/temp-dir.ts';

const noNode = 'a node needs root';
let dir: string;
let path: string;
let said: string[];

/** A machine that has these programs alone. */
async function machine(programs: Readonly<Record<string, string>>): Promise<void> {
  dir = await tempDir('machine');
  path = join(dir, 'bin');
  said = [];
  await mkdir(path);
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(path, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(path, name), 0o755);
  }
}

const prepare = (root: boolean) => prepareSystem({ purpose: 'tests', root, noNode, path, say: line => said.push(line) });
const told = () => said.join('\n');
const all = { bash: '', tar: '', zstd: '', jq: '', openssl: '', curl: '', ps: '', python3: '' };
const { jq: _, zstd: __, ...some } = all;

/** Writes down what it is asked, and brings what is not there. */
const aptGet = (brings: readonly string[], exit = 0) =>
  [
    `echo "$@" >> "\${0%/bin/*}/asked"`,
    `test "$2" = install && for name in ${brings.join(' ')}; do echo '#!/bin/sh' > "\${0%/*}/$name" && /bin/chmod +x "\${0%/*}/$name"; done`,
    `exit ${exit}`,
  ].join('\n');
const asked = () => readFile(join(dir, 'asked'), 'utf8').catch(() => '');

describe('a machine that has everything', () => {
  beforeEach(() => machine({ ...all, 'apt-get': aptGet([]) }));

  it.each([true, false])('is left alone, whether root asks or not (%s)', async root => {
    expect(prepare(root)).toEqual([]);
    expect(await asked()).toBe('');
    expect(said).toEqual([expect.stringContaining(noNode)]);
  });
});

describe('a machine without some programs', () => {
  it('gets their packages installed, and no others, where root asks; that is said', async () => {
    await machine({ ...some, 'apt-get': aptGet(['zstd', 'jq']) });
    expect(prepare(true)).toEqual([]);
    expect(await asked()).toBe('-qq update\n-qq install -y --no-install-recommends zstd jq\n');
    expect(told()).toContain('installing with apt-get: zstd jq');
  });

  it('is told of what is missing, what is skipped and how to install it where root does not ask', async () => {
    await machine({ ...some, 'apt-get': aptGet(['zstd', 'jq']) });
    expect(prepare(false)).toEqual(['zstd', 'jq']);
    expect(await asked()).toBe('');
    expect(told()).toContain('not on this machine: zstd, jq');
    expect(told()).toContain('skipped');
    expect(told()).toContain('sudo apt-get install --no-install-recommends zstd jq');
  });

  it('is told the same where there is no apt-get', async () => {
    const { ps: ___, ...without } = some;
    await machine(without);
    expect(prepare(true)).toEqual(['zstd', 'jq', 'procps']);
    expect(told()).toContain('not on this machine: zstd, jq, ps (package procps)');
  });

  it('is told the same where nothing can be installed, and why', async () => {
    await machine({ ...some, 'apt-get': aptGet([], 100) });
    expect(prepare(true)).toEqual(['zstd', 'jq']);
    expect(told()).toContain('apt-get update did not succeed: exit code 100');
  });

  it('has no need of the programs of tests for the demonstration', async () => {
    await machine({});
    expect(prepareSystem({ purpose: 'demo', root: false, noNode, path, say: line => said.push(line) })).toEqual([]);
    expect(said).toEqual([`${noNode}: the demonstration goes without a volume`]);
  });

  it('has no node where one of its programs is missing', async () => {
    await machine({});
    const missing = prepareSystem({ purpose: 'demo', root: false, noNode: undefined, path, say: line => said.push(line) });
    expect(missing).toContain('containerd');
    expect(told()).toContain('no node can run without all of its programs');
  });
});

describe('a program that is no program', () => {
  it('is missing: a folder of that name, a link to nothing', async () => {
    await machine(some);
    await mkdir(join(path, 'zstd'));
    await symlink(join(dir, 'nothing'), join(path, 'jq'));
    expect(prepare(false)).toContain('jq');
  });
});
