/**
 * `node test/cluster/system-packages.ts demo|tests [--required]`: sees to what demonstration or tests take of the machine’s system. Root on a machine
 * with apt-get gets what is missing installed; anybody else is told what is missing, what goes without it, and how to install it. With
 * `--required` that is an error.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { basicNodeTrouble } from './node-support.ts';
import { findProgram, type SystemProgram, searchPath, systemPrograms } from './system-programs.ts';

export interface SystemNeeds {
  readonly purpose: 'demo' | 'tests';
  readonly root: boolean;
  /** Why no node can run, whatever is installed. */
  readonly noNode: string | undefined;
  /** PATH in which programs are looked for, apt-get too. */
  readonly path: string;
  readonly say: (line: string) => void;
}

/** Returns the packages that are missing still. */
export function prepareSystem(needs: SystemNeeds): readonly string[] {
  const { purpose, root, noNode, path, say } = needs;
  const uses: readonly SystemProgram['use'][] = [...(purpose === 'tests' ? ['tests' as const] : []), ...(noNode ? [] : ['node' as const])];
  const lacking = () => systemPrograms.filter(({ use, there }) => uses.includes(use) && !there(path));
  if (noNode) say(`${noNode}: ${withoutNode[purpose]}`);
  let missing = lacking();
  if (missing.length === 0) return [];
  const installer = findProgram('apt-get', path);
  if (root && installer !== undefined) {
    install(installer, packagesOf(missing), needs);
    missing = lacking();
    if (missing.length === 0) return [];
  }
  const names = new Set(missing.map(({ name, package: of }) => (name === of ? name : `${name} (package ${of})`)));
  say(`not on this machine: ${[...names].join(', ')}`);
  if (missing.some(({ use }) => use === 'tests')) say('  tests that run one of them are skipped; their names say so, and they are counted');
  if (missing.some(({ use }) => use === 'node')) say(`  no node can run without all of its programs: ${withoutNode[purpose]}`);
  say(`  to install them: ${root ? '' : 'sudo '}apt-get install --no-install-recommends ${packagesOf(missing).join(' ')}`);
  return packagesOf(missing);
}

const withoutNode = {
  demo: 'the demonstration goes without a volume',
  tests: 'tests that need pods or volumes are skipped; their names say so, and they are counted',
} as const satisfies Record<SystemNeeds['purpose'], string>;

function packagesOf(programs: readonly SystemProgram[]): readonly string[] {
  return [...new Set(programs.map(program => program.package))];
}

/** A node has a containerd of its own; the package shall start none. */
const startPolicy = '/usr/sbin/policy-rc.d';

function install(installer: string, packages: readonly string[], { path, say }: SystemNeeds): void {
  say(`installing with apt-get: ${packages.join(' ')}`);
  const held = packages.includes('containerd') && !existsSync(startPolicy);
  if (held) writeFileSync(startPolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const env = { ...process.env, PATH: path, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
      const { status, error } = spawnSync(installer, ['-qq', ...args], { env, stdio: ['ignore', 'inherit', 'inherit'] });
      if (status === 0) continue;
      say(`apt-get ${args[0]} did not succeed: ${error?.message ?? `exit code ${status}`}`);
      break;
    }
  } finally {
    if (held) rmSync(startPolicy, { force: true });
  }
}

if (import.meta.main) {
  const [purpose, ...flags] = process.argv.slice(2);
  if (purpose !== 'demo' && purpose !== 'tests') {
    console.error('node test/cluster/system-packages.ts demo|tests [--required]');
    process.exitCode = 2;
  } else {
    const root = process.getuid?.() === 0;
    const missing = prepareSystem({ purpose, root, noNode: await basicNodeTrouble(), path: searchPath(), say: line => console.log(line) });
    if (missing.length > 0 && flags.includes('--required')) process.exitCode = 1;
  }
}
