import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type GuardedProcess, startGuarded } from '../../test/cluster/guarded-process.ts';
import { waitFor } from '../../test/cluster/wait.ts';
import { type PeakMemory, watchMemory } from './memory.ts';

/** A program with its standard output in a file and its process id known; it ends with this process, however that ends. */
export interface Program {
  readonly process: GuardedProcess;
  readonly pid: number;
  readonly outputFile: string;
}

export interface ProgramOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Where output, log and process id are written. */
  readonly dir: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
}

/** `exec` keeps the process id, so that what is measured is the program and not the shell before it. */
const script = 'echo $$ > "$1"; out=$2; shift 2; exec "$@" > "$out"';

export async function startProgram(options: ProgramOptions): Promise<Program> {
  const base = join(options.dir, `${options.name}-${randomUUID().slice(0, 8)}`);
  const process = await startGuarded({
    name: options.name,
    command: '/bin/sh',
    args: ['-c', script, options.name, `${base}.pid`, `${base}.out`, options.command, ...options.args],
    logFile: `${base}.log`,
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
  });
  const readPid = async () => Number((await readFile(`${base}.pid`, 'utf8')).trim()) || undefined;
  const pid = await waitFor(`${options.name} started`, readPid, { timeoutMs: 10_000, intervalMs: 2 });
  return { process, pid, outputFile: `${base}.out` };
}

export interface Run {
  /** From the start of the process to its end. */
  readonly seconds: number;
  readonly memory: PeakMemory;
  readonly output: string;
  readonly code: number;
}

/** Runs a program to its end and measures it. Throws, with the end of its log, on an exit code that is not among `accept`. */
export async function runProgram(options: ProgramOptions & { readonly accept?: readonly number[] }): Promise<Run> {
  options.signal?.throwIfAborted();
  const started = performance.now();
  const program = await startProgram(options);
  const stop = () => void program.process.stop(5_000);
  options.signal?.addEventListener('abort', stop);
  const memory = watchMemory(program.pid);
  const code = await program.process.exited;
  const seconds = (performance.now() - started) / 1000;
  options.signal?.removeEventListener('abort', stop);
  const peak = await memory.stop();
  options.signal?.throwIfAborted();
  if (!(options.accept ?? [0]).includes(code)) {
    throw new Error(`${options.name} ended with exit code ${code}:\n${await program.process.logTail(30)}`);
  }
  const output = await readFile(program.outputFile, 'utf8');
  await rm(program.outputFile);
  return { seconds, memory: peak, output, code };
}
