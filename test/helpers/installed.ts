import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { JsonObject } from '../../src/domain/json.ts';
import { binary } from '../cluster/binaries.ts';
import { mainFile } from './command.ts';

const projectDir = resolve(import.meta.dirname, '../..');
export const manifestsDir = join(projectDir, 'deploy/kubernetes');
export const installPage = join(projectDir, 'docs/install.md');

/** The objects of a file of manifests, seen from deploy/kubernetes/. */
export async function manifests(file: string): Promise<JsonObject[]> {
  const documents = parseAllDocuments(await readFile(join(manifestsDir, file), 'utf8'));
  return documents.map(document => document.toJS() as JsonObject).filter(Boolean);
}

/** The commands of one section of docs/install.md that a test can run. */
export async function commandsUnder(heading: string): Promise<string> {
  const text = await readFile(installPage, 'utf8');
  const section = text.slice(text.indexOf(`\n## ${heading}\n`)).slice(1);
  const end = section.indexOf('\n## ');
  const commands = [...section.slice(0, end === -1 ? undefined : end).matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block).join('');
  if (!text.includes(`\n## ${heading}\n`) || commands === '') throw new Error(`docs/install.md has no commands under ${heading}`);
  return commands;
}

/** The commands before the first one that begins so, and those from it on. */
export function cutAt(commands: string, beginning: string): readonly [before: string, from: string] {
  const at = `\n${commands}`.indexOf(`\n${beginning}`);
  if (at < 0) throw new Error(`no command of docs/install.md begins with ${beginning}:\n${commands}`);
  return [commands.slice(0, at), commands.slice(at)];
}

/** A folder in which the commands of docs/install.md work as they are: a checkout, with kubectl and holdfast in PATH. */
export async function prepareCheckout(dir: string): Promise<void> {
  await mkdir(join(dir, 'bin'));
  await symlink(await binary('kubectl'), join(dir, 'bin', 'kubectl'));
  await writeFile(join(dir, 'bin', 'holdfast'), `#!/bin/sh\nexec '${process.execPath}' '${mainFile}' "$@"\n`, { mode: 0o755 });
  await symlink(join(projectDir, 'deploy'), join(dir, 'deploy'));
}

export interface ShellRun {
  readonly exit: number;
  /** What it said, in both ways. */
  readonly said: string;
}

/** Runs commands in that folder until one fails. */
export async function shell(dir: string, commands: string, env: NodeJS.ProcessEnv): Promise<ShellRun> {
  const path = `${join(dir, 'bin')}:${process.env['PATH']}`;
  const options = { cwd: dir, timeout: 380_000, maxBuffer: 64 * 1024 * 1024, env: { NO_COLOR: '1', HOME: dir, ...env, PATH: path } };
  const run = promisify(execFile)('bash', ['-c', `set -euo pipefail\n${commands}`], options);
  return run.then(
    ({ stdout, stderr }) => ({ exit: 0, said: stdout + stderr }),
    (failed: { code?: number; stdout: string; stderr: string }) => ({ exit: failed.code ?? -1, said: failed.stdout + failed.stderr }),
  );
}
