import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { command, compile } from './compile.ts';
import type { Bench } from './context.ts';
import { type Run, runProgram } from './program.ts';
import type { Bucket } from './store.ts';

/** A repository, and the command that fills it and restores from it: every call is a process of its own, as an operator would run it. */
export interface Holdfast {
  backup(kubeconfig: string): Promise<BackupRun>;
  /** The newest backup, all of it. */
  restore(kubeconfig: string): Promise<Run>;
}

export interface BackupRun extends Run {
  readonly objects: number;
  /** What the common revision cost, seconds; part of the time. */
  readonly settling: number;
  /** Every kind that was read. */
  readonly kinds: readonly { readonly apiVersion: string; readonly resource: string }[];
}

interface Summary {
  readonly phase: string;
  readonly objects: number;
  readonly settleMs: number;
  readonly kinds: readonly { readonly group: string; readonly version: string; readonly resource: string }[];
  readonly problems: readonly unknown[];
}

/** Velero's own objects are nobody's measure. */
const selection = ['--exclude-namespaces', 'velero', '--exclude-kinds', '*.velero.io'];

/** Makes keys and an empty repository, at a `file://` location or in a bucket. */
export async function openHoldfast(bench: Bench, where: string | Bucket): Promise<Holdfast> {
  await compile(bench.signal);
  const keys = join(bench.dir, `keys-${randomUUID().slice(0, 8)}`);
  const location = typeof where === 'string' ? where : `s3://${where.name}/repository`;
  const flags = [
    ...['--location', location, '--keys-dir', keys, '-o', 'json'],
    ...(typeof where === 'string' ? [] : ['--s3-endpoint', where.endpoint, '--s3-region', where.region, '--s3-path-style']),
  ];
  const env: Record<string, string> =
    typeof where === 'string' ? {} : { AWS_ACCESS_KEY_ID: where.accessKeyId, AWS_SECRET_ACCESS_KEY: where.secretAccessKey };
  const holdfast = (...args: string[]) =>
    runProgram({
      name: 'holdfast',
      command,
      args,
      dir: bench.dir,
      env,
      signal: bench.signal,
    });
  await holdfast('keys', 'generate', '--out', keys);
  await holdfast('init', ...flags);
  return {
    backup: async kubeconfig => {
      const run = await holdfast('backup', 'create', '--kubeconfig', kubeconfig, ...selection, ...flags);
      const summary = summaryOf<Summary>(run);
      if (summary.phase !== 'Completed') throw new Error(`holdfast's backup: ${summary.phase} ${JSON.stringify(summary.problems)}`);
      const kinds = summary.kinds.map(({ group, version, resource }) => ({
        resource,
        apiVersion: group === '' ? version : `${group}/${version}`,
      }));
      return { ...run, objects: summary.objects, settling: summary.settleMs / 1000, kinds };
    },
    restore: async kubeconfig =>
      holdfast('restore', 'create', 'latest', '--yes', '--kubeconfig', kubeconfig, '--identity', join(keys, 'operator.identity'), ...flags),
  };
}

/** The last line that a command prints. */
function summaryOf<T>({ output }: Run): T {
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as T;
}
