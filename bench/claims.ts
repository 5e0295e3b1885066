import { join } from 'node:path';
import { apiJson, createIfMissing } from '../test/cluster/api-request.ts';
import { type ClusterWithNode, startClusterWithNode } from '../test/cluster/cluster.ts';
import { storageClass } from '../test/cluster/csi.ts';
import { holdfastImage, holdfastReference } from '../test/cluster/holdfast-image.ts';
import { nodeSupport } from '../test/cluster/node-support.ts';
import { createClaim, runPod } from '../test/cluster/pods.ts';
import { type S3Server, startMinio } from '../test/cluster/s3.ts';
import { command, compile } from './lib/compile.ts';
import { type Bench, versions } from './lib/context.ts';
import { type Run, runProgram } from './lib/program.ts';
import { row, writeResult } from './lib/result.ts';
import { inTurn, median } from './lib/rounds.ts';

const many = 20;
const mebibytes = 16;
const filesEach = 200;
const bucket = 'claims';

interface Manifest {
  readonly phase: string;
  readonly problems: readonly unknown[];
  readonly volumes: readonly { readonly data?: { readonly bytes: number; readonly durationMs: number } }[];
}

interface Sample {
  /** Of the whole command. */
  readonly seconds: number;
  readonly memory: number;
  /** The slowest mover’s own work. */
  readonly slowest: number;
}

/** Many claims in one backup against one alone, on a node: what waits for what, and what the process that drives it takes. */
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
    await createIfMissing(cluster, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'holdfast' } });
    await fill(cluster, 'one', 1);
    await fill(cluster, 'many', many);
    const samples = await inTurn(
      bench.rounds,
      ['one', 'many'].map(name => ({ name, run: (round: number) => measure(bench, cluster, server, name, round) })),
      line => bench.log(`claims: ${line}`),
    );
    const of = (name: string, field: keyof Sample) => median(samples.get(name)!.map(sample => sample[field]));
    const { holdfast, node, restic, kubernetes, minio } = await versions();
    const used = { holdfast: holdfast!, node: node!, restic: restic!, kubernetes: kubernetes!, minio: minio! };
    const alone = { name: 'one claim alone', value: of('one', 'seconds') };
    const rows = [
      row(`first backup of ${many} claims at once, ${mebibytes} MiB each`, 's', of('many', 'seconds'), alone),
      row('a claim of these', 's', of('many', 'seconds') / many, alone),
      row('the slowest mover’s own work among them', 's', of('many', 'slowest'), { ...alone, value: of('one', 'slowest') }),
      row('peak memory of what drives them', 'MiB', of('many', 'memory'), { ...alone, value: of('one', 'memory') }, '≤ 1.1×'),
    ];
    bench.log(`claims: wrote ${await writeResult(bench.resultsDir, 'claims', used, rows)}`);
  } finally {
    await server.stop();
    await cluster.destroy();
  }
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

/** Into a repository of its own, so that every round is a first backup. */
async function measure(bench: Bench, cluster: ClusterWithNode, server: S3Server, namespace: string, round: number): Promise<Sample> {
  const keys = join(bench.dir, `keys-${namespace}-${round}`);
  const location = `s3://${bucket}/${namespace}-${round}?${new URLSearchParams({ endpoint: server.endpoint, region: 'us-east-1', pathStyle: 'true' })}`;
  const holdfast = (...args: string[]): Promise<Run> =>
    runProgram({
      ...{ name: 'holdfast', command, args, dir: bench.dir, signal: bench.signal },
      env: {
        ...{ AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey },
        ...{ HOLDFAST_VOLUMES_NAMESPACE: 'holdfast', HOLDFAST_VOLUMES_MOVER_IMAGE: holdfastReference },
        ...{ HOLDFAST_VOLUMES_MOVER_IMAGE_PULL_POLICY: 'Never', HOLDFAST_VOLUMES_PARALLEL_PER_NODE: '8' },
      },
    });
  const flags = ['--location', location, '--keys-dir', keys, '-o', 'json'];
  await holdfast('keys', 'generate', '--out', keys);
  await holdfast('init', ...flags);
  await forgetPasswords(cluster);
  const only = ['--include-namespaces', namespace, '--volumes', 'data', '--kubeconfig', cluster.kubeconfig];
  const run = await holdfast('backup', 'create', ...only, ...flags);
  const manifest = JSON.parse(run.output.trimEnd().split('\n').at(-1) ?? '') as Manifest;
  if (manifest.phase !== 'Completed') throw new Error(`the backup ended ${manifest.phase}: ${JSON.stringify(manifest.problems)}`);
  const slowest = Math.max(...manifest.volumes.map(({ data }) => data?.durationMs ?? 0)) / 1000;
  return { seconds: run.seconds, memory: run.memory.process / 2 ** 20, slowest };
}

/** Otherwise the next repository would be another one beside the claim’s first. */
async function forgetPasswords(cluster: ClusterWithNode): Promise<void> {
  await apiJson(cluster, '/api/v1/namespaces/holdfast/secrets', { method: 'DELETE' });
}
