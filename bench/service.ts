import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFileStore } from '../src/storage/file-store.ts';
import type { ObjectStore } from '../src/storage/object-store.ts';
import { createS3Store } from '../src/storage/s3-store.ts';
import { startCluster } from '../test/cluster/cluster.ts';
import { command, compile } from './lib/compile.ts';
import { type Bench, versions } from './lib/context.ts';
import { runProgram } from './lib/program.ts';
import { type Row, row, writeResult } from './lib/result.ts';
import { inTurn, median } from './lib/rounds.ts';
import { demandDeletion } from './lib/service-deletion.ts';
import type { Latencies } from './lib/service-load.ts';
import { type RunningService, type ServiceSettings, startService } from './lib/service-process.ts';
import { type SetHistory, type SetKeys, setHistory, writeSets } from './lib/service-sets.ts';
import { type Bucket, startStore } from './lib/store.ts';

const manySets = 10_000;
const idleMs = 60_000;
const requestsPerSecond = 100;
const loadSeconds = 30;
/** Beside the others, in a load of their own: each opens a set and asks the cluster for all that is in it. */
const restorePlansPerSecond = 2;
/** Said once the newest snapshot of the catalog is written, as far as it is worth it. */
const leading = 'leading';

/** A repository with sets, and how the service is started on it. */
interface Place {
  readonly name: string;
  readonly sets: number;
  readonly settings: ServiceSettings;
  readonly store: ObjectStore;
  /** Newest first. */
  readonly ids: readonly string[];
}

/** What the service takes to start, what it takes while nothing happens, and how fast it answers. */
export async function service(bench: Bench): Promise<void> {
  const many = bench.sizes?.[0] ?? manySets;
  await compile(bench.signal);
  const s3 = await startStore();
  const cluster = await startCluster({ name: 'bench-service', signal: bench.signal });
  const places: Place[] = [];
  try {
    const keys = await makeKeys(bench);
    const open = async (name: string, sets: number, where: string | Bucket): Promise<Place> => {
      bench.log(`service: writing ${sets} sets to ${name}`);
      const place = await fill(bench, { name, sets, where, kubeconfig: cluster.kubeconfig, keys });
      places.push(place);
      return place;
    };
    const file = await open('file', many, join(bench.dir, 'many'));
    const minio = await open('minio', many, s3.holdfast);
    const single = await open('single', 1, join(bench.dir, 'single'));
    const rows = [
      ...(await measureStarts(bench, [file, minio])),
      ...(await measureIdle(bench, [single, file, minio])),
      ...(await measureLoad(bench, [file, minio])),
      ...(await measureDeletions(bench, [file, minio])),
    ];
    bench.log(`service: wrote ${await writeResult(bench.resultsDir, 'service', await programs(), rows)}`);
  } finally {
    for (const { store } of places) await store.close();
    await cluster.destroy();
    await s3.stop();
  }
}

async function makeKeys(bench: Bench): Promise<SetKeys & { readonly dir: string }> {
  const dir = join(bench.dir, 'service-keys');
  await runProgram({ name: 'keys', command, args: ['keys', 'generate', '--out', dir], dir: bench.dir, signal: bench.signal });
  const text = (name: string) => readFile(join(dir, name), 'utf8');
  return {
    dir,
    recipients: (await text('recipients.txt')).split('\n').filter(line => line.startsWith('age1')),
    signingKey: await text('signing.key'),
    signingPublicKey: await text('signing.pub'),
  };
}

interface Wanted {
  readonly name: string;
  readonly sets: number;
  readonly where: string | Bucket;
  readonly kubeconfig: string;
  readonly keys: SetKeys & { readonly dir: string };
}

async function fill(bench: Bench, { name, sets, where, kubeconfig, keys }: Wanted): Promise<Place> {
  const history: SetHistory = setHistory(sets, new Date());
  const store = typeof where === 'string' ? createFileStore(where) : createS3Store(s3Options(where));
  const ids = await writeSets(store, history, keys, bench.signal);
  const { policies, retentionSchedule } = history;
  const settings = { ...locationOf(where), ...{ kubeconfig, keysDir: keys.dir, policies, retentionSchedule } };
  return { name, sets, settings, store, ids };
}

function s3Options({ name, endpoint, region, accessKeyId, secretAccessKey }: Bucket) {
  process.env['AWS_ACCESS_KEY_ID'] = accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = secretAccessKey;
  return { bucket: name, prefix: 'service', endpoint, region, forcePathStyle: true };
}

function locationOf(where: string | Bucket): Pick<ServiceSettings, 'location' | 'env'> {
  if (typeof where === 'string') return { location: where, env: {} };
  const query = new URLSearchParams({ endpoint: where.endpoint, region: where.region, pathStyle: 'true' });
  return {
    location: `s3://${where.name}/service?${query}`,
    env: { AWS_ACCESS_KEY_ID: where.accessKeyId, AWS_SECRET_ACCESS_KEY: where.secretAccessKey },
  };
}

/** From nothing known, and with the snapshot that a service keeps beside its sets. */
async function measureStarts(bench: Bench, places: readonly Place[]): Promise<Row[]> {
  const contenders = places.flatMap(place => [
    { name: `${place.name} without snapshot`, run: () => dropSnapshots(place).then(() => timeOfStart(bench, place)) },
    { name: `${place.name} with snapshot`, run: () => haveSnapshot(bench, place).then(() => timeOfStart(bench, place)) },
  ]);
  const samples = await inTurn(bench.rounds, contenders, line => bench.log(`service: start: ${line}`));
  const ms = (name: string) => median(samples.get(name)!.map(sample => sample.readyMs)) / 1000;
  return places.flatMap(({ name, sets }) => [
    row(`start to ready, ${sets} sets, ${title(name)}`, 's', ms(`${name} with snapshot`), undefined, '≤ 3'),
    row(`the same without a snapshot of the catalog, ${title(name)}`, 's', ms(`${name} without snapshot`), undefined, '≤ 3'),
  ]);
}

function title(name: string): string {
  return name === 'minio' ? 'MinIO' : 'file';
}

async function timeOfStart(bench: Bench, { settings }: Place) {
  const running = await startService(bench, settings);
  const { peak } = await running.usage();
  await running.stop();
  return { readyMs: running.readyMs, peakMb: peak / 1e6 };
}

async function snapshotsOf({ store }: Place): Promise<string[]> {
  const names: string[] = [];
  for await (const name of store.listNames('catalog/')) names.push(`catalog/${name}`);
  return names;
}

async function dropSnapshots(place: Place): Promise<void> {
  for (const key of await snapshotsOf(place)) await place.store.delete(key);
}

async function haveSnapshot(bench: Bench, place: Place): Promise<void> {
  if ((await snapshotsOf(place)).length > 0) return;
  const running = await startService(bench, place.settings);
  try {
    await running.said(leading);
    for (let tries = 0; (await snapshotsOf(place)).length === 0 && tries < 300; tries++) await sleep(200);
  } finally {
    await running.stop();
  }
}

/** A minute to come to rest, and a minute that counts: with its looks at the repository, its Lease, and its own clock. */
async function measureIdle(bench: Bench, places: readonly Place[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const place of places) {
    const running = await startService(bench, place.settings);
    try {
      await sleep(idleMs, undefined, { signal: bench.signal });
      const before = await running.usage();
      await sleep(idleMs, undefined, { signal: bench.signal });
      const after = await running.usage();
      const mb = Math.max(before.resident, after.resident) / 1e6;
      const percent = ((after.cpuSeconds - before.cpuSeconds) / (idleMs / 1000)) * 100;
      bench.log(`service: idle: ${place.name}: ${JSON.stringify({ mb, percent, peakMb: after.peak / 1e6 })}`);
      const what = `${place.sets} ${place.sets === 1 ? 'set' : 'sets'}, ${title(place.name)}`;
      rows.push(row(`idle memory, ${what}`, 'MB', mb, undefined, '≤ 120'));
      rows.push(row(`idle processor time, ${what}`, '% of a core', percent, undefined, '≤ 1'));
    } finally {
      await running.stop();
    }
  }
  return rows;
}

async function measureLoad(bench: Bench, places: readonly Place[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const place of places) {
    const running = await startService(bench, place.settings);
    try {
      await running.said(leading);
      const of = (what: string) => `${what}, ${place.sets} sets, ${title(place.name)}`;
      const answers = (what: string, { p50, p99 }: Latencies) => [row(`${what}: median`, 'ms', p50), row(`${what}: 99 %`, 'ms', p99)];
      const { restorePlan: _, ...alone } = await load(bench, place, running, 0);
      for (const [kind, latencies] of Object.entries(alone))
        rows.push(...answers(of(`${whatOf[kind as Kind]} at ${requestsPerSecond} requests/s`), latencies));
      rows.push(row(`memory after that, ${title(place.name)}`, 'MB', (await running.usage()).resident / 1e6));
      const { restorePlan } = await load(bench, place, running, restorePlansPerSecond);
      rows.push(...answers(of(`${whatOf.restorePlan}, ${restorePlansPerSecond}/s beside them`), restorePlan!));
    } finally {
      await running.stop();
    }
  }
  return rows;
}

const whatOf = {
  list: 'list a page of 50',
  get: 'get one set',
  plan: 'retention plan',
  restorePlan: 'restore plan of 50 objects',
} as const;
type Kind = keyof typeof whatOf;

async function load(bench: Bench, place: Place, running: RunningService, restorePlans: number): Promise<Partial<Record<Kind, Latencies>>> {
  const idsFile = join(bench.dir, `ids-${place.name}`);
  await writeFile(idsFile, place.ids.join('\n'));
  const { output } = await runProgram({
    ...{ name: 'service-load', command: process.execPath, dir: bench.dir, signal: bench.signal },
    args: [
      join(import.meta.dirname, 'lib', 'service-load.ts'),
      ...[running.url, running.token, String(requestsPerSecond), String(loadSeconds), idsFile],
      ...[String(restorePlans), join(place.settings.keysDir, 'operator.identity')],
    ],
  });
  const { resident, peak } = await running.usage();
  bench.log(`service: load: ${place.name}: ${output.trim()} ${JSON.stringify({ mb: resident / 1e6, peakMb: peak / 1e6 })}`);
  const latencies = JSON.parse(output) as Partial<Record<Kind, Latencies>>;
  const failed = Object.values(latencies).reduce((sum, one) => sum + one.failed, 0);
  if (failed > 0) throw new Error(`${failed} requests failed:\n${output}`);
  return latencies;
}

/** One set amid the others a round. Last, since they are gone then. */
async function measureDeletions(bench: Bench, places: readonly Place[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const place of places) {
    const running = await startService(bench, place.settings);
    try {
      await running.said(leading);
      const samples: number[] = [];
      const amid = Math.floor(place.ids.length / 2);
      for (const set of place.ids.slice(amid, amid + bench.rounds)) samples.push(await demandDeletion(bench, running, set));
      bench.log(`service: deletions: ${place.name}: ${JSON.stringify(samples)}`);
      rows.push(row(`delete one of ${place.sets} sets, ${title(place.name)}`, 's', median(samples)));
    } finally {
      await running.stop();
    }
  }
  return rows;
}

async function programs(): Promise<Record<string, string>> {
  const { holdfast, node, kubernetes, minio } = await versions();
  return { holdfast: holdfast!, node: node!, kubernetes: kubernetes!, minio: minio! };
}
