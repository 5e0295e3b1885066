import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Bench, projectDir, versions } from './lib/context.ts';
import { row, writeResult } from './lib/result.ts';
import { inTurn, median } from './lib/rounds.ts';

const run = promisify(execFile);
const runsPerRound = 10;

/** How long `--help` takes, from source and compiled, beside a Node.js that does nothing. */
export async function startup(bench: Bench): Promise<void> {
  bench.log('startup: compiling');
  await run(join(projectDir, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: projectDir, signal: bench.signal });
  const contenders = Object.entries({
    compiled: [join(projectDir, 'dist', 'main.js'), '--help'],
    source: [join(projectDir, 'src', 'main.ts'), '--help'],
    node: ['-e', '0'],
  }).map(([name, args]) => ({ name, run: () => timeOf(args, bench.signal) }));
  // Whoever runs first pays for reading the files from disk.
  for (const contender of contenders) await contender.run();
  const samples = await inTurn(bench.rounds * runsPerRound, contenders, () => {});
  const ms = (name: string) => median(samples.get(name)!);
  const idle = { name: 'node -e 0', value: ms('node') };
  const rows = [
    row('start-up of `--help`, compiled', 'ms', ms('compiled'), idle, '≤ 150'),
    row('start-up of `--help`, from source', 'ms', ms('source'), idle, '≤ 150'),
  ];
  const { holdfast, node } = await versions();
  bench.log(`startup: wrote ${await writeResult(bench.resultsDir, 'startup', { holdfast: holdfast!, node: node! }, rows)}`);
}

/** Milliseconds from start to exit. */
async function timeOf(args: readonly string[], signal: AbortSignal): Promise<number> {
  const started = performance.now();
  await run(process.execPath, args, { signal });
  return performance.now() - started;
}
