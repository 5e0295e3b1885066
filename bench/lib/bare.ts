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

function runBare(bench: Bench, name: string, args: readonly string[]): Promise<Run> {
  return runProgram({
    name,
    command: process.execPath,
    args: [join(import.meta.dirname, `${name}.ts`), ...args],
    dir: bench.dir,
    signal: bench.signal,
  });
}
