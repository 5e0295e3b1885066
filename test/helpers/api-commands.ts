import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { apiPage } from './api-docs.ts';
import { type Served, tokens } from './serve-process.ts';

/** The commands of docs/api.md between two texts of it. */
export async function documentedCommands(from: string, to: string): Promise<string> {
  const page = await readFile(apiPage, 'utf8');
  const [begin, end] = [page.indexOf(from), page.indexOf(to)];
  if (begin < 0 || end < begin) throw new Error(`docs/api.md has no part from ${JSON.stringify(from)} to ${JSON.stringify(to)}`);
  return [...page.slice(begin, end).matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block).join('');
}

/** Runs them in a folder as they are written, but for the address and for who gives the token; what they print. Throws when one fails. */
export async function runDocumented(service: Served, commands: string, cwd: string): Promise<string> {
  const script = `set -euo pipefail
    kubectl() { echo ${tokens.alice}; }
    ${commands.replace('https://holdfast.holdfast.svc:8443', service.url)}`;
  return (await promisify(execFile)('bash', ['-c', script], { cwd, timeout: 150_000 })).stdout;
}
