import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type GuardedDir, makeGuardedDir } from '../../test/cluster/guarded-dir.ts';

/** What every benchmark is given. */
export interface Bench {
  /** For files of this run; gone when the process is, however it ends. */
  readonly dir: string;
  readonly rounds: number;
  /** Numbers of objects to measure with; undefined for the benchmark's own. */
  readonly sizes: readonly number[] | undefined;
  readonly resultsDir: string;
  readonly signal: AbortSignal;
  log(line: string): void;
}

export const projectDir = join(import.meta.dirname, '..', '..');

export async function openBench(options: Omit<Bench, 'dir' | 'log'>): Promise<{ bench: Bench; dir: GuardedDir }> {
  const dir = await makeGuardedDir('holdfast-bench-');
  const log = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
  return { bench: { ...options, dir: dir.path, log }, dir };
}

/** Of everything that takes part, as pinned. */
export async function versions(): Promise<Record<string, string>> {
  const { version } = JSON.parse(await readFile(join(projectDir, 'package.json'), 'utf8')) as { version: string };
  return {
    holdfast: version,
    node: process.version,
    kubernetes: await pinned('kubernetes', 'k8s.io/kubernetes'),
    etcd: await pinned('etcd', 'go.etcd.io/etcd/server/v3'),
    restic: await pinned('restic', 'github.com/restic/restic'),
    kopia: await pinned('kopia', 'github.com/kopia/kopia'),
    velero: await pinned('velero', 'github.com/vmware-tanzu/velero'),
    minio: (await pinned('minio', 'github.com/minio/minio')).replace(/^v0\.0\.0-(\d{4})(\d\d)(\d\d).*/, '$1-$2-$3'),
  };
}

async function pinned(folder: string, path: string): Promise<string> {
  const text = await readFile(join(projectDir, 'test', 'cluster', 'tools', folder, 'go.mod'), 'utf8');
  return new RegExp(`^\\s*(?:require )?${RegExp.escape(path)} (v\\S+)`, 'm').exec(text)?.[1] ?? 'unknown';
}
