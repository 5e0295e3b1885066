import { rm } from 'node:fs/promises';
import { runBackup } from '../../src/backup/run.ts';
import { createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import { generateIdentity } from '../../src/crypto/age.ts';
import { generateSigningKey } from '../../src/crypto/signing.ts';
import type { BackupOutcome, IndexEntry } from '../../src/domain/backup-set.ts';
import { type Json, parseJson } from '../../src/domain/json.ts';
import type { RestoreOptions, RestoreOutcome } from '../../src/domain/restore-plan.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import { initRepository, type Repository } from '../../src/repository/repository.ts';
import { openSet, type SetReader } from '../../src/repository/set-reader.ts';
import { runRestore } from '../../src/restore/run.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import type { TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { testRuntime } from './runtime.ts';

/** A repository with fresh keys, for one test file. */
export interface OpenLocation {
  readonly repository: Repository;
  /** Path of a file repository; empty for another store. */
  readonly dir: string;
  readonly identity: string;
  readonly recipients: readonly string[];
  readonly signingKey: string;
  readonly signingPublicKey: string;
  remove(): Promise<void>;
}

/** On a temporary folder unless a store is given. */
export async function openTestRepository(store?: ObjectStore): Promise<OpenLocation> {
  const dir = store === undefined ? await tempDir('repository') : '';
  const { identity, recipient } = await generateIdentity();
  const { privatePem, publicPem } = generateSigningKey();
  const repository = await initRepository(store ?? createFileStore(dir), {
    recipients: [recipient],
    signingPublicKey: publicPem,
    runtime: testRuntime,
  });
  return {
    repository,
    dir,
    identity,
    recipients: [recipient],
    signingKey: privatePem,
    signingPublicKey: publicPem,
    remove: async () => {
      await repository.store.close();
      if (dir !== '') await rm(dir, { recursive: true, force: true });
    },
  };
}

/** As the cluster's administrator, or as whoever the bearer token belongs to. */
export async function connect(cluster: TestCluster, token?: string): Promise<ClusterApi> {
  const connection = await loadCluster({ kubeconfig: cluster.kubeconfig, environment: {} }, testRuntime);
  const headers = { authorization: `Bearer ${token}` };
  const as = token === undefined ? connection : { ...connection, credentials: async () => ({ headers }) };
  return createClusterApi(as, { runtime: testRuntime });
}

export async function backUp(location: OpenLocation, cluster: ClusterApi, selection: Selection = everything): Promise<BackupOutcome> {
  return runBackup({
    repository: location.repository,
    cluster,
    recipients: location.recipients,
    signingKey: location.signingKey,
    selection,
    tier: 'test',
    sealIndex: false,
    runtime: testRuntime,
    signal: AbortSignal.timeout(120_000),
    progress: noProgress,
    producerVersion: '0.0.0-test',
  });
}

/** The id of a backup that must have been complete. */
export async function completeBackup(location: OpenLocation, cluster: ClusterApi, selection?: Selection): Promise<string> {
  const outcome = await backUp(location, cluster, selection);
  if (outcome.phase !== 'Completed') {
    const why = outcome.phase === 'Failed' ? outcome.error : outcome.manifest.problems;
    throw new Error(`the backup ended ${outcome.phase}: ${JSON.stringify(why)}`);
  }
  return outcome.manifest.id;
}

export function reader(location: OpenLocation, id: string): Promise<SetReader> {
  return openSet(location.repository, id, { identities: [location.identity], trusted: [location.signingPublicKey] });
}

export interface RestoreChanges extends Partial<RestoreOptions> {
  readonly selection?: Selection;
}

/** Restores everything, unless told otherwise, with the real use case. */
export async function restoreInto(
  location: OpenLocation,
  id: string,
  cluster: ClusterApi,
  changes: RestoreChanges = {},
): Promise<RestoreOutcome> {
  return runRestore({
    reader: await reader(location, id),
    cluster,
    options: { selection: everything, namespaceMapping: {}, existing: 'skip', ...changes },
    runtime: testRuntime,
    signal: AbortSignal.timeout(240_000),
    progress: noProgress,
  });
}

/** Objects of a set by `<resource>/<name>`; for small selections. */
export async function readJson(location: OpenLocation, id: string, wanted: (entry: IndexEntry) => boolean): Promise<Map<string, Json>> {
  const objects = new Map<string, Json>();
  const set = await reader(location, id);
  await set.read(wanted, (entry, json) => {
    objects.set(`${entry.resource}/${entry.name}`, parseJson(json));
  });
  return objects;
}
