import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { expect } from 'vitest';

/** The program as it is shipped, where the suite has built it (global-setup.ts); else as it is written. */
export const mainFile = process.env['HOLDFAST_TEST_PROGRAM'] ?? resolve(import.meta.dirname, '../../src/main.ts');

export interface Ran {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real command in a process of its own; never throws for its exit code. Bounded to two minutes. */
export async function holdfast(args: readonly string[], options: { env?: NodeJS.ProcessEnv; input?: string } = {}): Promise<Ran> {
  const child = spawn(process.execPath, [mainFile, ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(120_000),
  });
  child.stdin?.end(options.input);
  const [stdout, stderr, exit] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    new Promise<number>((done, fail) => {
      child.once('error', fail);
      child.once('close', code => done(code ?? -1));
    }),
  ]);
  return { exit, stdout, stderr };
}

/** It ended with 0; what it said on stderr otherwise. */
export function ok(ran: Ran): Ran {
  expect(ran.exit, ran.stderr).toBe(0);
  return ran;
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) all += chunk;
  return all;
}
