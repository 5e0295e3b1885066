import { join } from 'node:path';
import { type ClusterOptions, startCluster } from '../test/cluster/cluster.ts';
import { nodeSupport } from '../test/cluster/node-support.ts';
import { prepareServers } from '../test/demo/servers.ts';
import { compile } from './lib/compile.ts';
import { type Bench, projectDir, versions } from './lib/context.ts';
import { runProgram } from './lib/program.ts';
import { type Row, row, writeResult } from './lib/result.ts';
import { type Contender, inTurn, median } from './lib/rounds.ts';

interface Sample {
  readonly seconds: number;
}

/** One that is measured, and what its row says. */
interface Measured extends Contender<Sample> {
  readonly what: string;
  readonly goal?: string;
}

/** How soon a cluster is up once its servers are built, and how long the whole demonstration takes. */
export async function demo(bench: Bench): Promise<void> {
  const support = await nodeSupport();
  if (!support.supported) bench.log(`demo: nothing with a node, none can run here: ${support.reason}`);
  await compile(bench.signal);
  await prepareServers(support.supported, line => bench.log(`demo: ${line}`));
  const all = [
    ...clusters(bench),
    ...(support.supported ? withNode(bench) : []),
    whole(bench, 'without a node', { HOLDFAST_TEST_NODE: 'off' }),
  ];
  // Whoever runs first pays for reading the servers from disk.
  await all[0]!.run(0);
  const samples = await inTurn<Sample>(bench.rounds, all, line => bench.log(`demo: ${line}`));
  const rows = all.map(({ name, what, goal }): Row => {
    return row(what, 's', median(samples.get(name)!.map(({ seconds }) => seconds)), undefined, goal);
  });
  const { holdfast, node, kubernetes, etcd } = await versions();
  const used = { holdfast: holdfast!, node: node!, kubernetes: kubernetes!, etcd: etcd! };
  bench.log(`demo: wrote ${await writeResult(bench.resultsDir, 'demo', used, rows)}`);
}

function clusters(bench: Bench): Measured[] {
  return [
    { name: 'cluster', what: 'a cluster is up: etcd, API server, controller manager', goal: '≤ 10', run: () => up(bench, {}) },
    { name: 'argo', what: 'the same, with the Argo Workflows controller', goal: '≤ 10', run: () => up(bench, { argo: true }) },
    { name: 'schemas', what: 'the same, with all schemas of Argo’s definitions', run: () => up(bench, { argo: 'full' }) },
  ];
}

function withNode(bench: Bench): Measured[] {
  return [
    { name: 'node', what: 'with the Argo Workflows controller and a node', run: () => up(bench, { argo: true, node: true }) },
    whole(bench, 'with a node and a volume', {}),
  ];
}

/** From nothing until it can be used; what it takes to end it is not counted. */
async function up(bench: Bench, options: ClusterOptions): Promise<Sample> {
  const began = performance.now();
  const cluster = await startCluster({ name: 'bench-demo', signal: bench.signal, ...options });
  const seconds = (performance.now() - began) / 1000;
  await cluster.destroy();
  return { seconds };
}

/** As `make demo` runs it, from the start of the process to its exit. */
function whole(bench: Bench, how: string, env: Readonly<Record<string, string>>): Measured {
  const script = join(projectDir, 'test', 'demo', 'main.ts');
  return {
    name: `demo ${how}`,
    what: `the whole demonstration, ${how}`,
    goal: '≤ 120',
    run: async () => {
      const { seconds } = await runProgram({
        name: 'demo',
        command: process.execPath,
        args: [script],
        dir: bench.dir,
        env,
        signal: bench.signal,
      });
      return { seconds };
    },
  };
}
