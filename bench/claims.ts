import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiJson, createIfMissing } from '../test/cluster/api-request.ts';
import { type ClusterWithNode, startClusterWithNode } from '../test/cluster/cluster.ts';
import { storageClass } from '../test/cluster/csi.ts';
import { holdfastImage, holdfastReference } from '../test/cluster/holdfast-image.ts';
import { nodeSupport } from '../test/cluster/node-support.ts';
import { createClaim, runPod } from '../test/cluster/pods.ts';
import { type S3Server, startMinio } from '../test/cluster/s3.ts';
import { waitFor } from '../test/cluster/wait.ts';
import { type ClaimTimes, watchClaims } from './lib/claim-times.ts';
import { command, compile } from './lib/compile.ts';
import { type Bench, versions } from './lib/context.ts';
import { runProgram } from './lib/program.ts';
import { type Row, row, writeResult } from './lib/result.ts';
import { inTurn, median } from './lib/rounds.ts';
import { demandBackup } from './lib/service-backup.ts';
import { startService } from './lib/service-process.ts';

const many = 20;
const mebibytes = 16;
const filesEach = 200;
const bucket = 'claims';
const home = 'holdfast';
/** After its start: by then the service has given back what that took. */
const restMs = 20_000;

/** Movers ask for so little that 20 find room on a node of two cores. */
const mover = {
  ...{ image: holdfastReference, imagePullPolicy: 'Never' },
  resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '2Gi' } },
};
const atOnce = { parallel: many, parallelPerNode: many, parallelSnapshots: many };

/** Who is measured: whose claims, and what the configuration says of how many at a time. */
const ways = {
  one: { namespace: 'one', settings: atOnce },
  'many at once': { namespace: 'many', settings: atOnce },
  'many by default': { namespace: 'many', settings: {} },
} as const satisfies Record<string, { namespace: string; settings: object }>;
type Way = keyof typeof ways;

interface Sample extends ClaimTimes {
  /** Of the whole backup, by the service’s own clock. */
  readonly seconds: number;
  /** The slowest mover’s own work, by its result. */
  readonly slowestWork: number;
  /** Of the service during the backup, and when it began, MB. */
  readonly peakMb: number;
  readonly restMb: number;
}

/** Many claims in one backup of a running service against one alone, on a node: what waits for what, and what the service takes for it. */
export async function claims(bench: Bench): Promise<void> {
  const support = await nodeSupport();
  if (!support.supported) return bench.log(`claims: left out, no node can run here: ${support.reason}`);
  await compile(bench.signal);
  bench.log('claims: starting a cluster with a node');
  const cluster = await startClusterWithNode({ name: 'bench-claims', signal: bench.signal });
  const server = await startMinio({ address: cluster.node.hostAddress });
  try {
    await server.createBucket(bucket);
    await cluster.node.importImage((await holdfastImage()).file);
    await createIfMissing(cluster, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: home } });
    await fill(cluster, 'one', 1);
    await fill(cluster, 'many', many);
    const samples = await inTurn(
      bench.rounds,
      (Object.keys(ways) as Way[]).map(name => ({ name, run: (round: number) => measure(bench, cluster, server, name, round) })),
      line => bench.log(`claims: ${line}`),
    );
    const of = (name: Way, field: keyof Sample) => median(samples.get(name)!.map(sample => sample[field]));
    const { holdfast, node, restic, kubernetes, minio } = await versions();
    const used = { holdfast: holdfast!, node: node!, restic: restic!, kubernetes: kubernetes!, minio: minio! };
    const rows = (['many at once', 'many by default'] as const).flatMap(name => rowsOf(name, of));
    bench.log(`claims: wrote ${await writeResult(bench.resultsDir, 'claims', used, rows)}`);
  } finally {
    await server.stop();
    await cluster.destroy();
  }
}

function rowsOf(name: 'many at once' | 'many by default', of: (name: Way, field: keyof Sample) => number): Row[] {
  const how = `${of(name, 'atOnce')} at a time${name === 'many at once' ? '' : ', which is the default for one node'}`;
  const alone = (field: keyof Sample) => ({ name: 'one claim alone', value: of('one', field) });
  const slowest = { name: 'its slowest claim, from its snapshot to the end of its mover', value: of(name, 'slowest') };
  return [
    row(`first backup of ${many} claims of ${mebibytes} MiB, ${how}`, 's', of(name, 'seconds'), slowest),
    row('the same', 's', of(name, 'seconds'), alone('seconds')),
    row('a claim of these', 's', of(name, 'seconds') / many, alone('seconds')),
    row('its slowest claim, from its snapshot to the end of its mover', 's', of(name, 'slowest'), alone('slowest')),
    row('its slowest mover, from the making of its pod', 's', of(name, 'slowestPod'), alone('slowestPod')),
    row('its slowest mover’s own work', 's', of(name, 'slowestWork'), alone('slowestWork')),
    row('peak memory of the service meanwhile', 'MB', of(name, 'peakMb'), alone('peakMb'), '≤ 1.1×'),
  ];
}

async function fill(cluster: ClusterWithNode, namespace: string, count: number): Promise<void> {
  await apiJson(cluster, '/api/v1/namespaces', {
    method: 'POST',
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
  });
  const names = Array.from({ length: count }, (_, index) => `workspace-${index + 1}`);
  for (const name of names) await createClaim(cluster, { name, namespace, size: '1Gi', storageClass });
  const write = `for d in /data/*; do head -c ${mebibytes * 2 ** 20} /dev/urandom > $d/blob; for n in $(seq 1 ${filesEach}); do echo "file $n of $d" > $d/f$n; done; done; sync`;
  const { exitCode, log } = await runPod(cluster, {
    ...{ name: 'writes', namespace, command: write },
    claims: Object.fromEntries(names.map(name => [`/data/${name}`, name])),
  });
  if (exitCode !== 0) throw new Error(`the claims could not be filled: ${log}`);
}

/** By a service of its own and into a repository of its own, so that every round is a first backup. */
async function measure(bench: Bench, cluster: ClusterWithNode, server: S3Server, way: Way, round: number): Promise<Sample> {
  const { namespace, settings } = ways[way];
  const prefix = `${way.replaceAll(' ', '-')}-${round}`;
  const keysDir = join(bench.dir, `keys-${prefix}`);
  const location = `s3://${bucket}/${prefix}?${new URLSearchParams({ endpoint: server.endpoint, region: 'us-east-1', pathStyle: 'true' })}`;
  const env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey };
  const holdfast = (...args: string[]) => runProgram({ ...{ name: 'holdfast', command, args, env, dir: bench.dir, signal: bench.signal } });
  await holdfast('keys', 'generate', '--out', keysDir);
  await holdfast('init', '--location', location, '--keys-dir', keysDir);
  await forget(bench, cluster);
  const service = await startService(bench, {
    ...{ kubeconfig: cluster.kubeconfig, location, keysDir, env },
    ...{ policies: {}, retentionSchedule: '@yearly', volumes: { namespace: home, mover, ...settings } },
  });
  try {
    await service.said('leading');
    await sleep(restMs, undefined, { signal: bench.signal });
    await service.resetPeak();
    const rest = await service.usage();
    const watch = await watchClaims(bench, { kubeconfig: cluster.kubeconfig, namespace, movers: home });
    const { seconds, movers } = await demandBackup(bench, service, { selection: { includeNamespaces: [namespace] }, volumes: 'data' });
    const { peak } = await service.usage();
    const times = await watch.stop();
    if (times.claims !== movers.length) throw new Error(`${times.claims} claims were seen, and ${movers.length} are in the set`);
    return { ...times, seconds, slowestWork: Math.max(...movers), peakMb: peak / 1e6, restMb: rest.resident / 1e6 };
  } finally {
    await service.stop();
  }
}

/** Snapshots that were kept, and passwords: otherwise the next repository would be another one beside the claim’s first. */
async function forget(bench: Bench, cluster: ClusterWithNode): Promise<void> {
  const snapshots = '/apis/snapshot.storage.k8s.io/v1';
  await apiJson(cluster, `/api/v1/namespaces/${home}/secrets`, { method: 'DELETE' });
  await apiJson(cluster, `${snapshots}/namespaces/${home}/volumesnapshots`, { method: 'DELETE' });
  const gone = async () => {
    const { items } = await apiJson<{ items: readonly unknown[] }>(cluster, `${snapshots}/volumesnapshotcontents`);
    return items.length === 0;
  };
  await waitFor('the snapshots of the last sample are gone', gone, { timeoutMs: 300_000, intervalMs: 500, signal: bench.signal });
}
