import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startCluster, type TestCluster } from '../test/cluster/cluster.ts';
import { collectionPath } from './lib/api.ts';
import { bareCreate, bareList, oneBackup } from './lib/bare.ts';
import { type Bench, versions } from './lib/context.ts';
import { writeDataSet } from './lib/data.ts';
import { type Holdfast, openHoldfast } from './lib/holdfast.ts';
import { waitUntilQuiet } from './lib/quiet.ts';
import { type Row, row, writeResult } from './lib/result.ts';
import { inTurn, median } from './lib/rounds.ts';
import { type Store, startStore } from './lib/store.ts';
import { installVelero } from './lib/velero.ts';

const defaultSizes = [20_000, 100_000];
/** From this many objects on, the goals are those of the large cluster; below the smaller default there are none. */
const large = 100_000;

interface Sample {
  readonly seconds: number;
  /** The part of it that the common revision cost. */
  readonly settling?: number;
  /** Bytes. */
  readonly memory?: number;
  /** With all its child processes. */
  readonly tree?: number;
  readonly [detail: string]: unknown;
}

/** Backups of one cluster by Holdfast and by Velero, beside a loop that only reads. A result per size. */
export async function backup(bench: Bench): Promise<void> {
  let before: Size | undefined;
  for (const objects of bench.sizes ?? defaultSizes) before = await measure(bench, objects, before);
}

interface Size {
  readonly objects: number;
  readonly memory: number;
}

async function measure(bench: Bench, wanted: number, before: Size | undefined): Promise<Size> {
  const store = await startStore();
  const cluster = await startCluster({ name: 'bench-backup', signal: bench.signal });
  try {
    const data = await writeDataSet(cluster, wanted, bench.dir);
    bench.log(`backup: loading ${data.objects} objects`);
    const load = await bareCreate(bench, cluster.kubeconfig, data.stages);
    bench.log(`backup: loaded in ${load.seconds.toFixed(0)} s`);
    await waitUntilQuiet(bench, cluster.kubeconfig);
    const name = `backup-${wanted}`;
    const samples = await inTurn(bench.rounds, await contenders(bench, cluster, store, data.objects), line =>
      bench.log(`${name}: ${line}`),
    );
    const rows = rowsOf(samples, data.objects, wanted, before);
    bench.log(`backup: wrote ${await writeResult(bench.resultsDir, name, await versions(), rows)}`);
    return { objects: data.objects, memory: peak(samples.get('file')!) };
  } finally {
    await cluster.destroy();
    await store.stop();
  }
}

async function contenders(bench: Bench, cluster: TestCluster, store: Store, objects: number) {
  const installation = await installVelero(cluster, store.velero, bench.dir, bench.signal);
  const toFile = await openHoldfast(bench, `file://${join(bench.dir, `repository-${objects}`)}`);
  const toBucket = await openHoldfast(bench, store.holdfast);
  const first = await toFile.backup(cluster.kubeconfig);
  bench.log(`backup: the set holds ${first.objects} objects of ${first.kinds.length} kinds`);
  const paths = join(bench.dir, `lists-${objects}`);
  await writeFile(paths, first.kinds.map(kind => `${collectionPath(kind)}\n`).join(''));
  const ours = (holdfast: Holdfast) => async (): Promise<Sample> => {
    const { seconds, settling, memory, objects } = await holdfast.backup(cluster.kubeconfig);
    return { seconds, settling, memory: memory.process, objects };
  };
  const list = (width: number) => (): Promise<Sample> => bareList(bench, cluster.kubeconfig, paths, width);
  const velero = async (round: number): Promise<Sample> => {
    const server = await installation.start();
    try {
      const { memory, ...run } = await server.backup(`objects-${objects}-round-${round}`);
      return { ...run, memory: memory.process, tree: memory.tree };
    } finally {
      await server.stop();
    }
  };
  return [
    { name: 'file', run: ours(toFile) },
    { name: 'list', run: list(1) },
    { name: 'list2', run: list(2) },
    { name: 'minio', run: ours(toBucket) },
    { name: 'velero', run: velero },
    { name: 'common', run: () => oneBackup(bench, cluster.kubeconfig, 'with') },
    { name: 'own', run: () => oneBackup(bench, cluster.kubeconfig, 'without') },
  ];
}

function rowsOf(samples: Map<string, Sample[]>, objects: number, wanted: number, before: Size | undefined): Row[] {
  const seconds = (name: string) => median(samples.get(name)!.map(sample => sample.seconds));
  const rate = (name: string) => objects / seconds(name);
  const mb = (name: string, field: 'memory' | 'tree' = 'memory') => peak(samples.get(name)!, field) / 1e6;
  const loop = { name: 'bare loop of lists', value: rate('list') };
  const settling = (of: Sample) => of.settling ?? 0;
  const goal = (text: string | undefined) => (wanted >= defaultSizes[0]! ? text : undefined);
  const isLarge = wanted >= large;
  return [
    row('backup to a folder', 'objects/s', rate('file'), loop, goal(isLarge ? '≥ 0.7×' : undefined)),
    row(
      'the same without the wait for the common revision',
      'objects/s',
      objects / median(samples.get('file')!.map(of => of.seconds - settling(of))),
      loop,
    ),
    row('backup to a folder', 'objects/s', rate('file'), { name: 'the same lists, two at a time', value: rate('list2') }),
    row('cost of the common revision: more than the same backup without it', 's', commonRevision(samples), undefined, goal('≤ 3')),
    row('the same, as the backup tells it', 's', median(samples.get('file')!.map(settling))),
    row('backup to MinIO', 'objects/s', rate('minio'), { name: 'Velero', value: rate('velero') }, goal(isLarge ? '≥ 6×' : '≥ 4×')),
    row('peak memory, to a folder', 'MB', mb('file'), undefined, goal('≤ 256')),
    row('peak memory, to MinIO', 'MB', mb('minio'), { name: 'Velero with its plugins', value: mb('velero', 'tree') }, goal('≤ 0.5×')),
    row('peak memory, to MinIO', 'MB', mb('minio'), { name: 'Velero’s server alone', value: mb('velero') }),
    ...(before === undefined
      ? []
      : [
          row(
            'peak memory, to a folder',
            'MB',
            mb('file'),
            { name: `at ${before.objects.toLocaleString('en-US')} objects`, value: before.memory / 1e6 },
            goal('≤ 1.1×'),
          ),
        ]),
  ];
}

/** By pairs of one round; below 0 is noise. */
function commonRevision(samples: Map<string, Sample[]>): number {
  const own = samples.get('own')!;
  return median(samples.get('common')!.map(({ seconds }, round) => seconds - own[round]!.seconds));
}

function peak(samples: readonly Sample[], field: 'memory' | 'tree' = 'memory'): number {
  return median(samples.map(sample => sample[field] ?? Number.NaN));
}
