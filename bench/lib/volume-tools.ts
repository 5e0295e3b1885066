import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type MoverRequest, type MoverResult, moverSecrets } from '../../src/domain/mover.ts';
import { defaultTuning } from '../../src/domain/volume-settings.ts';
import { binary } from '../../test/cluster/binaries.ts';
import { command } from './compile.ts';
import { type Run, runProgram } from './program.ts';
import type { Bucket } from './store.ts';

/** One who moves a volume to a bucket and back. Each step is what a new pod would do: no cache of an earlier one is there. */
export interface VolumeTool {
  backup(path: string): Promise<Run>;
  /** Of the last backup, into an empty folder at the path that was backed up. */
  restore(path: string): Promise<Run>;
}

export interface ToolOptions {
  /** Prefix of its own in the bucket, without a slash at its end. */
  readonly prefix: string;
  readonly bucket: Bucket;
  /** For its files. */
  readonly dir: string;
  readonly signal: AbortSignal;
}

const password = 'benchmark';

/** The mover as it is shipped: Holdfast compiled, and the image’s restic. */
export async function moverTool({ prefix, bucket, dir, signal }: ToolOptions): Promise<VolumeTool> {
  const restic = await binary('mover-restic');
  const secretsDir = join(dir, 'secrets');
  const files = { password, accessKeyId: bucket.accessKeyId, secretAccessKey: bucket.secretAccessKey };
  await mkdir(secretsDir, { recursive: true });
  for (const [secret, value] of Object.entries(files)) await writeFile(join(secretsDir, moverSecrets[secret as keyof typeof files]), value);
  const common = { repository: `s3:${bucket.endpoint}/${bucket.name}/${prefix}`, options: [], tuning: defaultTuning };
  let snapshot = '';
  const mover = async (request: MoverRequest): Promise<Run> => {
    const temporaryDir = await emptyDir(join(dir, 'tmp'));
    const resultFile = join(dir, 'result');
    const flags = ['--secrets-dir', secretsDir, '--result-file', resultFile, '--temporary-dir', temporaryDir, '--restic', restic];
    const run = await runProgram({ name: 'mover', command, args: ['mover', JSON.stringify(request), ...flags], dir, signal });
    const result = JSON.parse(await readFile(resultFile, 'utf8')) as MoverResult;
    if (result.ok && result.snapshot !== undefined) snapshot = result.snapshot;
    return run;
  };
  return {
    backup: path => {
      const time = new Date().toISOString();
      return mover({ ...common, action: 'backup', mode: 'Filesystem', path, host: 'agents/workspace', tags: [], time });
    },
    restore: path => mover({ ...common, action: 'restore', mode: 'Filesystem', path, snapshot, include: [], deleteOthers: false }),
  };
}

/** restic as it is released, by itself: as it comes, or with the options that a mover gives it. */
export async function resticTool({ prefix, bucket, dir, signal }: ToolOptions, tuned: boolean): Promise<VolumeTool> {
  const restic = await binary('restic');
  const { connections, compression, packSize, readConcurrency } = defaultTuning;
  const tuning = tuned ? ['-o', `s3.connections=${connections}`, '--compression', compression, '--pack-size', `${packSize}`] : [];
  const common = ['--json', '--repo', `s3:${bucket.endpoint}/${bucket.name}/${prefix}`, ...tuning];
  const call = async (...args: string[]) => {
    const env = { ...(await cleanEnvironment(bucket, dir)), RESTIC_PASSWORD: password, RESTIC_PROGRESS_FPS: '1' };
    return runProgram({ name: 'restic', command: restic, args: [...common, ...args], env, dir, signal });
  };
  let made = false;
  return {
    backup: async path => {
      const init = made ? undefined : await call('init');
      made = true;
      const concurrency = tuned ? ['--read-concurrency', `${readConcurrency}`, '--ignore-inode'] : [];
      return sum(init, await call('backup', ...concurrency, path));
    },
    restore: path =>
      call(
        'restore',
        ...(tuned ? ['--sparse'] : []),
        '--target',
        dirname(path),
        '--include',
        `/${basename(path)}`,
        `latest:${dirname(path)}`,
      ),
  };
}

export async function kopiaTool({ prefix, bucket, dir, signal }: ToolOptions): Promise<VolumeTool> {
  const kopia = await binary('kopia');
  const { host } = new URL(bucket.endpoint);
  const place = ['s3', '--bucket', bucket.name, '--endpoint', host, '--disable-tls', '--prefix', `${prefix}/`];
  const call = async (...args: string[]) => {
    const env = { ...(await cleanEnvironment(bucket, dir)), KOPIA_PASSWORD: password, KOPIA_CHECK_FOR_UPDATES: 'false' };
    const state = ['--config-file', join(dir, 'kopia.config'), '--log-dir', join(dir, 'logs'), '--no-progress'];
    return runProgram({ name: 'kopia', command: kopia, args: [...args, ...state], env, dir, signal });
  };
  /** What a pod does before its work; not counted. */
  const connect = async () => call('repository', 'connect', ...place, '--cache-directory', await emptyDir(join(dir, 'kopia-cache')));
  let made = false;
  return {
    backup: async path => {
      const cache = await emptyDir(join(dir, 'kopia-cache'));
      const create = made ? undefined : await call('repository', 'create', ...place, '--cache-directory', cache);
      if (made) await connect();
      made = true;
      return sum(create, await call('snapshot', 'create', path));
    },
    restore: async path => {
      await connect();
      const listed = await call('snapshot', 'list', '--json', path);
      const snapshots = JSON.parse(listed.output) as { id: string }[];
      return call('snapshot', 'restore', snapshots.at(-1)?.id ?? '', path);
    },
  };
}

async function cleanEnvironment(bucket: Bucket, dir: string): Promise<Record<string, string>> {
  const home = await emptyDir(join(dir, 'home'));
  const keys = { AWS_ACCESS_KEY_ID: bucket.accessKeyId, AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey };
  return { ...keys, HOME: home, XDG_CACHE_HOME: join(home, 'cache'), TMPDIR: home };
}

async function emptyDir(path: string): Promise<string> {
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  return path;
}

function sum(first: Run | undefined, second: Run): Run {
  return { ...second, seconds: second.seconds + (first?.seconds ?? 0) };
}
