import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { command, compile } from './lib/compile.ts';
import { type Bench, projectDir, versions } from './lib/context.ts';
import { row, writeResult } from './lib/result.ts';
import { inTurn, median } from './lib/rounds.ts';

const run = promisify(execFile);
const runsPerRound = 10;

/** How long `--help` takes, from source and compiled, beside a Node.js that does nothing. */
export async function startup(bench: Bench): Promise<void> {
  bench.log('startup: compiling');
  await compile(bench.signal);
  const contenders = Object.entries({
    compiled: [command, '--help'],
    source: [process.execPath, join(projectDir, 'src', 'main.ts'), '--help'],
    node: [process.execPath, '-e', '0'],
  }).map(([name, [program = '', ...args]]) => ({ name, run: () => timeOf(program, args, bench.signal) }));
  // Whoever runs first pays for reading the files from disk.
  for (const contender of contenders) await contender.run();
  const samples = await inTurn(bench.rounds * runsPerRound, contenders, () => {});
  const ms = (name: string) => median(samples.get(name)!);
  const idle = { name: 'node -e 0', value: ms('node') };
  const rows = [
    row('start-up of `--help`, compiled', 'ms', ms('compiled'), idle, '≤ 150'),
    // Nobody is given the source to run: what it costs to strip its types is only shown.
    row('start-up of `--help`, from source', 'ms', ms('source'), idle),
  ];
  const { holdfast, node } = await versions();
  bench.log(`startup: wrote ${await writeResult(bench.resultsDir, 'startup', { holdfast: holdfast!, node: node! }, rows)}`);
}

/** Milliseconds from start to exit. */
async function timeOf(program: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const started = performance.now();
  await run(program, args, { signal });
  return performance.now() - started;
}
