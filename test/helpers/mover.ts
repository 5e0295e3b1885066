import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type MoverRequest, type MoverResult, moverSecrets, type ResticTuning } from '../../src/domain/mover.ts';
import { runMover } from '../../src/mover/run.ts';
import { binary } from '../cluster/binaries.ts';
import { tempDir } from '../cluster/temp-dir.ts';

export const testTuning: ResticTuning = { compression: 'fastest', connections: 8, readConcurrency: 4, packSize: 4 };

export interface MoverStore {
  /** As `restic -r` takes it. */
  readonly repository: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
}

type Backup = Extract<MoverRequest, { action: 'backup' }>;
type Restore = Extract<MoverRequest, { action: 'restore' }>;

/** A mover without its pod: the real program, on folders of a test. */
export interface TestMover {
  readonly dir: string;
  readonly restic: string;
  readonly secretsDir: string;
  readonly resultFile: string;
  readonly temporaryDir: string;
  readonly password: string;
  readonly repository: string;
  /** Lines that were printed last. */
  readonly printed: readonly string[];
  run(request: MoverRequest, options?: { signal?: AbortSignal; storePatienceMs?: number; restic?: string }): Promise<MoverResult>;
  backup(path: string, changes?: Partial<Backup>): Promise<MoverResult>;
  restore(path: string, snapshot: string, changes?: Partial<Restore>): Promise<MoverResult>;
  common(): Pick<Backup, 'repository' | 'options' | 'tuning'>;
  remove(): Promise<void>;
}

/** An empty repository, and how to come by as many of the same as there are tests. */
export interface EmptyRepository {
  readonly dir: string;
  readonly password: string;
}

/** Made once for the tests of a file: with it restic measures for a second or two how slow a password may be to check on this machine. */
export async function emptyRepository(): Promise<EmptyRepository> {
  const dir = await tempDir('empty');
  const password = randomBytes(32).toString('hex');
  const env = { RESTIC_PASSWORD: password, RESTIC_REPOSITORY: dir, PATH: process.env['PATH'] };
  await promisify(execFile)(await binary('restic'), ['--no-cache', 'init', '--repository-version', '2'], { env });
  return { dir, password };
}

/** With a repository that its first backup makes, unless it gets a copy of an empty one. */
export async function testMover({ store, empty }: { store?: MoverStore; empty?: EmptyRepository } = {}): Promise<TestMover> {
  const dir = await tempDir('mover');
  const secretsDir = join(dir, 'secrets');
  const temporaryDir = join(dir, 'tmp');
  const resultFile = join(dir, 'termination-log');
  const password = empty?.password ?? randomBytes(32).toString('hex');
  const restic = await binary('mover-restic');
  for (const folder of [secretsDir, temporaryDir]) await mkdir(folder);
  await writeFile(join(secretsDir, moverSecrets.password), password);
  if (store?.accessKeyId !== undefined) await writeFile(join(secretsDir, moverSecrets.accessKeyId), store.accessKeyId);
  if (store?.secretAccessKey !== undefined) await writeFile(join(secretsDir, moverSecrets.secretAccessKey), store.secretAccessKey);
  const repository = store?.repository ?? join(dir, 'repository');
  if (empty !== undefined) await cp(empty.dir, repository, { recursive: true });
  const printed: string[] = [];
  const common = () => ({ repository, options: [], tuning: testTuning });
  const run: TestMover['run'] = async (request, options = {}) => {
    printed.length = 0;
    await rm(resultFile, { force: true });
    const done = await runMover(JSON.stringify(request), {
      ...{ secretsDir, temporaryDir, resultFile },
      restic: options.restic ?? restic,
      environment: process.env,
      storePatienceMs: options.storePatienceMs ?? 60_000,
      print: line => printed.push(line),
      now: () => performance.now(),
      signal: options.signal ?? new AbortController().signal,
    });
    const result = JSON.parse(await readFile(resultFile, 'utf8')) as MoverResult;
    if (result.ok !== done) throw new Error(`the mover said ${done}, and its result ${JSON.stringify(result)}`);
    return result;
  };
  return {
    ...{ dir, restic, secretsDir, resultFile, temporaryDir, password, repository, printed, run, common },
    backup: (path, changes) => run(backupRequest(common(), path, changes)),
    restore: (path, snapshot, changes) =>
      run({ ...common(), action: 'restore', mode: 'Filesystem', path, snapshot, include: [], deleteOthers: false, ...changes }),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

export function backupRequest(common: ReturnType<TestMover['common']>, path: string, changes: Partial<Backup> = {}): Backup {
  const facts = { host: 'agents/workspace', tags: ['set=20261123T020000Z-daily-k3f9'], time: '2026-11-23T02:00:00.000Z' };
  return { ...common, action: 'backup', mode: 'Filesystem', path, ...facts, ...changes };
}

/** The snapshot of a backup that succeeded. */
export function snapshotOf(result: MoverResult): string {
  if (!result.ok || result.snapshot === undefined) throw new Error(`no backup was made: ${JSON.stringify(result)}`);
  return result.snapshot;
}
