import { execFile } from 'node:child_process';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type S3Server, startMinio } from '../test/cluster/s3.ts';
import { bytesBelow } from '../test/helpers/bucket.ts';
import { describeTree } from '../test/helpers/tree-digest.ts';
import { compile } from './lib/compile.ts';
import { type Bench, versions } from './lib/context.ts';
import { type Row, row, writeResult } from './lib/result.ts';
import { inTurn, median } from './lib/rounds.ts';
import { makeVolume } from './lib/volume-data.ts';
import { kopiaTool, moverTool, resticTool, type ToolOptions, type VolumeTool } from './lib/volume-tools.ts';

const run = promisify(execFile);
const bucket = 'volumes';

const tools = {
  mover: options => moverTool(options),
  restic: options => resticTool(options, true),
  'restic as it comes': options => resticTool(options, false),
  kopia: options => kopiaTool(options),
} as const satisfies Record<string, (options: ToolOptions) => Promise<VolumeTool>>;
type ToolName = keyof typeof tools;

interface Sample {
  /** Seconds. */
  readonly backup: number;
  /** The same into a repository that an earlier backup, of nothing, has made. */
  readonly filled: number;
  readonly unchanged: number;
  readonly restore: number;
  /** Bytes. */
  readonly stored: number;
  readonly backupMemory: number;
  readonly restoreMemory: number;
}

/** A volume to a bucket, again, and back: by a mover, by the restic in it alone, and by kopia. */
export async function volumes(bench: Bench): Promise<void> {
  bench.log('volumes: compiling, and making a volume');
  await compile(bench.signal);
  const volume = join(bench.dir, 'volume', 'data');
  await mkdir(volume, { recursive: true });
  const facts = await makeVolume(volume);
  const server = await startMinio();
  try {
    await server.createBucket(bucket);
    const original = JSON.stringify(await describeTree(volume));
    const contenders = Object.keys(tools).map(name => ({
      name,
      run: (round: number) => measure(bench, server, volume, original, name as ToolName, round),
    }));
    const samples = await inTurn(bench.rounds, contenders, line => bench.log(`volumes: ${line}`));
    const { holdfast, node, restic, kopia, minio } = await versions();
    const used = { holdfast: holdfast!, node: node!, restic: restic!, kopia: kopia!, minio: minio! };
    bench.log(`volumes: ${facts.files} files, ${facts.bytes} bytes`);
    bench.log(`volumes: wrote ${await writeResult(bench.resultsDir, 'volumes', used, rowsOf(samples))}`);
  } finally {
    await server.stop();
  }
}

async function measure(bench: Bench, server: S3Server, volume: string, original: string, name: ToolName, round: number): Promise<Sample> {
  const prefix = `${name.replaceAll(' ', '-')}-${round}`;
  // What the one before left to be written must not slow this one down.
  const rested = () => run('sync', { signal: bench.signal });
  // What making a repository costs is paid once in the life of a claim, so that it is told apart.
  const filled = await withTool(bench, server, name, `${prefix}-made`, async (tool, dir) => {
    const empty = join(dir, 'empty');
    await mkdir(empty);
    await tool.backup(empty);
    await rested();
    return tool.backup(volume);
  });
  return withTool(bench, server, name, prefix, async tool => {
    await rested();
    const backup = await tool.backup(volume);
    await rested();
    const unchanged = await tool.backup(volume);
    const stored = await bytesBelow(server, bucket, `${prefix}/`);
    await rename(volume, `${volume}.original`);
    try {
      await mkdir(volume);
      await rested();
      const restore = await tool.restore(volume);
      if (JSON.stringify(await describeTree(volume)) !== original) bench.log(`volumes: ${name} did not bring everything back as it was`);
      return {
        ...{ backup: backup.seconds, filled: filled.seconds, unchanged: unchanged.seconds, restore: restore.seconds, stored },
        ...{ backupMemory: backup.memory.tree, restoreMemory: restore.memory.tree },
      };
    } finally {
      await rm(volume, { recursive: true, force: true });
      await rename(`${volume}.original`, volume);
    }
  });
}

/** A tool with a folder and a prefix of its own, of which nothing stays. */
async function withTool<Result>(
  bench: Bench,
  server: S3Server,
  name: ToolName,
  prefix: string,
  work: (tool: VolumeTool, dir: string) => Promise<Result>,
): Promise<Result> {
  const dir = join(bench.dir, prefix);
  await mkdir(dir);
  const access = { endpoint: server.endpoint, accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
  try {
    return await work(
      await tools[name]({ prefix, dir, bucket: { ...access, region: 'us-east-1', name: bucket }, signal: bench.signal }),
      dir,
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
    await rm(join(server.dir, 'data', bucket, prefix), { recursive: true, force: true });
  }
}

function rowsOf(samples: ReadonlyMap<string, readonly Sample[]>): Row[] {
  const of = (name: ToolName, field: keyof Sample) => median(samples.get(name)!.map(sample => sample[field]));
  const compared = (what: string, field: keyof Sample, peer: ToolName, goal?: string, unit = 's', scale = 1) =>
    row(what, unit, of('mover', field) / scale, { name: peer, value: of(peer, field) / scale }, goal);
  const mebibytes = 2 ** 20;
  return [
    compared('first backup', 'backup', 'restic', '≤ 1.1×'),
    compared('first backup', 'backup', 'restic as it comes'),
    compared('first backup', 'backup', 'kopia', '≤ 1×'),
    compared('first data into a repository that is there', 'filled', 'restic', '≤ 1.1×'),
    compared('first data into a repository that is there', 'filled', 'kopia', '≤ 1×'),
    compared('backup with nothing changed', 'unchanged', 'restic', '≤ 1.1×'),
    compared('backup with nothing changed', 'unchanged', 'kopia'),
    compared('restore', 'restore', 'restic', '≤ 1.1×'),
    compared('restore', 'restore', 'kopia', '≤ 0.2×'),
    compared('stored', 'stored', 'restic as it comes', undefined, 'MB', 1e6),
    compared('stored', 'stored', 'kopia', undefined, 'MB', 1e6),
    compared('memory of a backup, all processes', 'backupMemory', 'restic', undefined, 'MiB', mebibytes),
    compared('memory of a backup, all processes', 'backupMemory', 'kopia', undefined, 'MiB', mebibytes),
    compared('memory of a restore, all processes', 'restoreMemory', 'kopia', undefined, 'MiB', mebibytes),
  ];
}
