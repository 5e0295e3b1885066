import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from './context.ts';
import { type Run, runProgram } from './program.ts';

/** Connections of the bare creates. */
const connections = 40;

/** Reads lists without doing anything with them; `width` at a time. */
export async function bareList(
  bench: Bench,
  kubeconfig: string,
  pathsFile: string,
  width: number,
): Promise<{ seconds: number; bytes: number }> {
  const run = await runBare(bench, 'bare-list', [kubeconfig, pathsFile, String(width)]);
  const { bytes } = JSON.parse(run.output) as { bytes: number };
  return { seconds: run.seconds, bytes };
}

/** Creates everything in the stages' files. Throws when a create failed. */
export async function bareCreate(
  bench: Bench,
  kubeconfig: string,
  stages: readonly string[],
): Promise<{ seconds: number; created: number }> {
  const run = await runBare(bench, 'bare-create', [kubeconfig, String(connections), ...stages]);
  const tally = JSON.parse(run.output) as { created: number; failed: number; firstFailure: string };
  if (tally.failed > 0)
    throw new Error(`${tally.failed} of ${tally.failed + tally.created} creates failed, the first: ${tally.firstFailure}`);
  return { seconds: run.seconds, created: tally.created };
}

/** A backup of a process of its own into a new folder, with the common revision or without; the time is that of the backup alone. */
export async function oneBackup(
  bench: Bench,
  kubeconfig: string,
  revision: 'with' | 'without',
): Promise<{ seconds: number; objects: number }> {
  const folder = await mkdtemp(join(bench.dir, 'one-backup-'));
  try {
    const { output } = await runBare(bench, 'one-backup', [kubeconfig, folder, revision]);
    return JSON.parse(output) as { seconds: number; objects: number };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function runBare(bench: Bench, name: string, args: readonly string[]): Promise<Run> {
  return runProgram({
    name,
    command: process.execPath,
    args: [join(import.meta.dirname, `${name}.ts`), ...args],
    dir: bench.dir,
    signal: bench.signal,
  });
}
