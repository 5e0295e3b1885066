import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { binary } from '../../test/cluster/binaries.ts';
import type { TestCluster } from '../../test/cluster/cluster.ts';
import { freePort } from '../../test/cluster/ports.ts';
import { Fatal, waitFor } from '../../test/cluster/wait.ts';
import { type Api, openApi } from './api.ts';
import { type PeakMemory, watchMemory } from './memory.ts';
import { type Program, startProgram } from './program.ts';
import type { Bucket } from './store.ts';

const run = promisify(execFile);
const namespace = 'velero';
const crs = `/apis/velero.io/v1/namespaces/${namespace}`;
const hoursMs = 3_600_000;

/** How one backup or restore by Velero went. */
export interface VeleroRun {
  readonly phase: string;
  /** From the request's creation to the end as seen by a watcher. */
  readonly seconds: number;
  /** completionTimestamp − startTimestamp, in whole seconds. */
  readonly ownSeconds: number;
  readonly items: number;
  readonly warnings: number;
  readonly errors: number;
  readonly memory: PeakMemory;
}

/** A cluster that has what Velero needs of it: its definitions, credentials and storage location. */
export interface VeleroInstallation {
  /** A server of its own, with nothing in its memory yet, that sees its storage location. */
  start(): Promise<Velero>;
}

/** Velero's server as a process beside its cluster. */
export interface Velero {
  backup(name: string): Promise<VeleroRun>;
  /** Waits until the backup is known here, from the storage location, then restores it. */
  restore(backup: string): Promise<VeleroRun>;
  stop(): Promise<void>;
}

interface Task {
  readonly metadata: { readonly name: string };
  readonly status?: {
    readonly phase?: string;
    readonly startTimestamp?: string;
    readonly completionTimestamp?: string;
    readonly warnings?: number;
    readonly errors?: number;
    readonly failureReason?: string;
    readonly validationErrors?: readonly string[];
    readonly progress?: { readonly itemsBackedUp?: number; readonly itemsRestored?: number };
  };
}

export async function installVelero(cluster: TestCluster, bucket: Bucket, dir: string, signal: AbortSignal): Promise<VeleroInstallation> {
  const home = join(dir, `velero-${randomUUID().slice(0, 8)}`);
  const api = await openApi(cluster.kubeconfig, 1);
  try {
    await install(api, bucket, home);
  } finally {
    await api.close();
  }
  return { start: () => start(cluster, bucket, home, signal) };
}

async function start(cluster: TestCluster, bucket: Bucket, home: string, signal: AbortSignal): Promise<Velero> {
  const api = await openApi(cluster.kubeconfig, 2);
  let started: Program | undefined;
  try {
    await renewLocation(api, bucket);
    const server = await startServer(cluster, home, signal);
    started = server;
    await waitFor('velero sees its storage location', () => locationAvailable(api, server), {
      timeoutMs: 180_000,
      intervalMs: 250,
      signal,
    });
    return {
      backup: name => task(api, server, 'backups', { metadata: { name }, spec: backupSpec }, signal),
      restore: async backup => {
        await waitFor(`velero knows ${backup}`, () => api.find(`${crs}/backups/${backup}`), {
          timeoutMs: 180_000,
          intervalMs: 500,
          signal,
        });
        return task(
          api,
          server,
          'restores',
          { metadata: { name: `${backup}-restore` }, spec: { ...restoreSpec, backupName: backup } },
          signal,
        );
      },
      stop: async () => {
        await server.process.stop(5_000);
        await api.close();
      },
    };
  } catch (thrown) {
    await started?.process.stop(5_000);
    await api.close();
    throw thrown;
  }
}

/** Objects only, and all of them but Velero's own. */
const backupSpec = {
  storageLocation: 'default',
  includedNamespaces: ['*'],
  excludedNamespaces: [namespace],
  includeClusterResources: true,
  snapshotVolumes: false,
  defaultVolumesToFsBackup: false,
  ttl: '720h',
};
const restoreSpec = { includedNamespaces: ['*'], includeClusterResources: true, restorePVs: false };

async function install(api: Api, bucket: Bucket, home: string): Promise<void> {
  const velero = await binary('velero');
  await mkdir(join(home, 'tmp'), { recursive: true });
  await mkdir(join(home, 'plugins'));
  await symlink(await binary('velero-plugin-for-aws'), join(home, 'plugins', 'velero-plugin-for-aws'));
  const { stdout } = await run(velero, ['install', '--crds-only', '--dry-run', '-o', 'json'], { env: { HOME: home }, maxBuffer: 64 << 20 });
  const definitions = (JSON.parse(stdout) as { items: { metadata: { name: string } }[] }).items;
  for (const definition of definitions) {
    await api.json('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { method: 'POST', body: definition });
  }
  const credentials = `[default]\naws_access_key_id=${bucket.accessKeyId}\naws_secret_access_key=${bucket.secretAccessKey}\n`;
  await writeFile(join(home, 'credentials'), credentials, { mode: 0o600 });
  const metadata = (name: string) => ({ name, namespace });
  await api.json('/api/v1/namespaces', { method: 'POST', body: { metadata: { name: namespace } } });
  await api.json(`/api/v1/namespaces/${namespace}/secrets`, {
    method: 'POST',
    body: { metadata: metadata('cloud-credentials'), stringData: { cloud: credentials } },
  });
  await api.json(`/apis/apps/v1/namespaces/${namespace}/deployments`, { method: 'POST', body: idleDeployment() });
}

/** An old location would still say that it is available, of a server that is no more. */
async function renewLocation(api: Api, bucket: Bucket): Promise<void> {
  const path = `${crs}/backupstoragelocations`;
  if ((await api.find(`${path}/default`)) !== undefined) await api.json(`${path}/default`, { method: 'DELETE' });
  const location = {
    apiVersion: 'velero.io/v1',
    kind: 'BackupStorageLocation',
    metadata: { name: 'default', namespace },
    spec: {
      provider: 'aws',
      default: true,
      objectStorage: { bucket: bucket.name },
      config: { region: bucket.region, s3Url: bucket.endpoint, s3ForcePathStyle: 'true' },
      credential: { name: 'cloud-credentials', key: 'cloud' },
    },
  };
  const served = () => api.json(path, { method: 'POST', body: location });
  await waitFor('velero’s storage location created', served, { timeoutMs: 30_000, intervalMs: 250 });
}

/** Velero looks itself up as a Deployment; nothing of it runs in the cluster. */
function idleDeployment(): unknown {
  const labels = { component: 'velero' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'velero', image: 'velero' }] } };
  return { metadata: { name: 'velero', namespace, labels }, spec: { replicas: 0, selector: { matchLabels: labels }, template } };
}

/** Flags as shipped; only addresses and paths are this machine's. */
async function startServer(cluster: TestCluster, home: string, signal: AbortSignal): Promise<Program> {
  return startProgram({
    name: 'velero',
    command: await binary('velero'),
    args: [
      'server',
      `--kubeconfig=${cluster.kubeconfig}`,
      `--namespace=${namespace}`,
      `--plugin-dir=${join(home, 'plugins')}`,
      `--metrics-address=127.0.0.1:${await freePort()}`,
      '--profiler-address=',
    ],
    env: {
      HOME: home,
      TMPDIR: join(home, 'tmp'),
      VELERO_NAMESPACE: namespace,
      AWS_SHARED_CREDENTIALS_FILE: join(home, 'credentials'),
    },
    cwd: home,
    dir: home,
    signal,
  });
}

async function locationAvailable(api: Api, server: Program): Promise<boolean> {
  await checkAlive(server);
  const location = await api.find<Task>(`${crs}/backupstoragelocations/default`);
  return location?.status?.phase === 'Available';
}

async function task(api: Api, server: Program, plural: 'backups' | 'restores', body: object, signal: AbortSignal): Promise<VeleroRun> {
  const started = performance.now();
  const kind = plural === 'backups' ? 'Backup' : 'Restore';
  const memory = watchMemory(server.pid);
  try {
    const { metadata } = await api.json<Task>(`${crs}/${plural}`, { method: 'POST', body: { apiVersion: 'velero.io/v1', kind, ...body } });
    const ended = async () => {
      await checkAlive(server);
      const task = await api.json<Task>(`${crs}/${plural}/${metadata.name}`);
      return /^(Completed|PartiallyFailed|Failed|FailedValidation)$/.test(task.status?.phase ?? '') ? (task.status ?? {}) : undefined;
    };
    const status = await waitFor(`${kind} ${metadata.name} ended`, ended, { timeoutMs: 4 * hoursMs, intervalMs: 200, signal });
    const seconds = (performance.now() - started) / 1000;
    if (status.completionTimestamp === undefined || status.startTimestamp === undefined) {
      throw new Error(`velero ${kind} ${metadata.name}: ${JSON.stringify(status)}`);
    }
    return {
      phase: status.phase ?? '',
      seconds,
      ownSeconds: (Date.parse(status.completionTimestamp) - Date.parse(status.startTimestamp)) / 1000,
      items: status.progress?.itemsBackedUp ?? status.progress?.itemsRestored ?? 0,
      warnings: status.warnings ?? 0,
      errors: status.errors ?? 0,
      memory: await memory.stop(),
    };
  } finally {
    await memory.stop();
  }
}

async function checkAlive(server: Program): Promise<void> {
  if (!server.process.running()) throw new Fatal(`velero is gone:\n${await server.process.logTail(30)}`);
}
