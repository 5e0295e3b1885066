import { startCluster, type TestCluster } from '../test/cluster/cluster.ts';
import { bareCreate } from './lib/bare.ts';
import { type Bench, versions } from './lib/context.ts';
import { type DataSet, writeDataSet } from './lib/data.ts';
import { type Holdfast, openHoldfast } from './lib/holdfast.ts';
import { compare, type Inventory, type Recovered, takeInventory } from './lib/inventory.ts';
import { waitUntilQuiet } from './lib/quiet.ts';
import { type Row, row, writeResult } from './lib/result.ts';
import { inTurn, median } from './lib/rounds.ts';
import { type Store, startStore } from './lib/store.ts';
import { installVelero } from './lib/velero.ts';

const defaultSizes = [20_000];

interface Sample {
  readonly seconds: number;
  /** Bytes. */
  readonly memory?: number;
  /** With all its child processes. */
  readonly tree?: number;
  readonly recovered: Recovered;
  readonly [detail: string]: unknown;
}

/** What is to be restored, and what a perfect restore would have. */
interface Source {
  readonly holdfast: Holdfast;
  readonly veleroBackup: string;
  readonly data: DataSet;
  readonly inventory: Inventory;
}

/** Restores of one backup into a fresh cluster each, by Holdfast and by Velero, beside a loop that only creates. A result per size. */
export async function restore(bench: Bench): Promise<void> {
  for (const objects of bench.sizes ?? defaultSizes) await measure(bench, objects);
}

async function measure(bench: Bench, wanted: number): Promise<void> {
  const store = await startStore();
  try {
    const source = await backUp(bench, store, wanted);
    const name = `restore-${wanted}`;
    const samples = await inTurn(bench.rounds, contenders(bench, store, source), line => bench.log(`${name}: ${line}`));
    const rows = rowsOf(samples, source, wanted);
    bench.log(`restore: wrote ${await writeResult(bench.resultsDir, name, await versions(), rows)}`);
  } finally {
    await store.stop();
  }
}

async function backUp(bench: Bench, store: Store, wanted: number): Promise<Source> {
  const cluster = await startCluster({ name: 'bench-source', signal: bench.signal });
  try {
    const data = await writeDataSet(cluster, wanted, bench.dir);
    bench.log(`restore: loading ${data.objects} objects`);
    await bareCreate(bench, cluster.kubeconfig, data.stages);
    await waitUntilQuiet(bench, cluster.kubeconfig);
    const inventory = await takeInventory(cluster.kubeconfig, data.keys);
    const holdfast = await openHoldfast(bench, store.holdfast);
    await holdfast.backup(cluster.kubeconfig);
    const veleroBackup = `objects-${wanted}`;
    const velero = await (await installVelero(cluster, store.velero, bench.dir, bench.signal)).start();
    try {
      bench.log(`restore: velero's backup: ${JSON.stringify(await velero.backup(veleroBackup))}`);
    } finally {
      await velero.stop();
    }
    return { holdfast, veleroBackup, data, inventory };
  } finally {
    await cluster.destroy();
  }
}

function contenders(bench: Bench, store: Store, source: Source) {
  const ours = async (cluster: TestCluster) => {
    const { seconds, memory } = await source.holdfast.restore(cluster.kubeconfig);
    return { seconds, memory: memory.process };
  };
  const create = (cluster: TestCluster) => bareCreate(bench, cluster.kubeconfig, source.data.stages);
  const velero = async (cluster: TestCluster) => {
    const server = await (await installVelero(cluster, store.velero, bench.dir, bench.signal)).start();
    try {
      const { memory, ...run } = await server.restore(source.veleroBackup);
      return { ...run, memory: memory.process, tree: memory.tree };
    } finally {
      await server.stop();
    }
  };
  return Object.entries({ holdfast: ours, create, velero }).map(([name, restoreInto]) => ({
    name,
    run: () => intoFreshCluster(bench, source, restoreInto),
  }));
}

async function intoFreshCluster(
  bench: Bench,
  source: Source,
  restoreInto: (cluster: TestCluster) => Promise<{ seconds: number; memory?: number }>,
): Promise<Sample> {
  const cluster = await startCluster({ name: 'bench-target', signal: bench.signal });
  try {
    const run = await restoreInto(cluster);
    return { ...run, recovered: compare(source.inventory, await takeInventory(cluster.kubeconfig, source.data.keys)) };
  } finally {
    await cluster.destroy();
  }
}

function rowsOf(samples: Map<string, Sample[]>, source: Source, wanted: number): Row[] {
  const goal = (text: string) => (wanted >= defaultSizes[0]! ? text : undefined);
  const of = (name: string, value: (sample: Sample) => number) => median(samples.get(name)!.map(value));
  const rate = (name: string) => of(name, sample => sample.recovered.objects / sample.seconds);
  const mb = (name: string, field: 'memory' | 'tree' = 'memory') => of(name, sample => (sample[field] ?? Number.NaN) / 1e6);
  const whole = compare(source.inventory, source.inventory);
  const recovered = (what: string, field: keyof Recovered) =>
    row(
      `${what}, of ${whole[field].toLocaleString('en-US')}`,
      'objects',
      of('holdfast', sample => sample.recovered[field]),
      {
        name: 'Velero',
        value: of('velero', sample => sample.recovered[field]),
      },
    );
  return [
    row('restore into a fresh cluster', 'objects/s', rate('holdfast'), { name: 'bare creates', value: rate('create') }, goal('≥ 0.8×')),
    row('restore into a fresh cluster', 'objects/s', rate('holdfast'), { name: 'Velero', value: rate('velero') }, goal('≥ 8×')),
    row('peak memory', 'MB', mb('holdfast'), { name: 'Velero with its plugins', value: mb('velero', 'tree') }, goal('≤ 0.5×')),
    row('peak memory', 'MB', mb('holdfast'), { name: 'Velero’s server alone', value: mb('velero') }),
    recovered('objects there afterwards', 'objects'),
    recovered('objects with the labels they had', 'sameLabels'),
    recovered('ended workflows with the status they had', 'finishedWorkflows'),
  ];
}
