import { createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import { createLease } from '../../src/cluster/lease.ts';
import { createPodApi } from '../../src/cluster/pod-client.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import { defaultTuning, type VolumeSettings } from '../../src/domain/volume-settings.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import type { VolumeTools } from '../../src/restore/volumes/tools.ts';
import { defaultRetryPolicy } from '../../src/storage/attempt.ts';
import { withRetry } from '../../src/storage/retry.ts';
import { createStsAccess } from '../../src/storage/s3-access.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { namespaces } from '../../src/volumes/kinds.ts';
import { createMovers } from '../../src/volumes/movers.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { volumeMount } from '../../src/volumes/ports.ts';
import { createVolumeRepositories } from '../../src/volumes/repositories.ts';
import { createScaledWorkloads } from '../../src/volumes/scaled-workloads.ts';
import type { ClusterWithNode } from '../cluster/cluster.ts';
import { holdfastReference } from '../cluster/holdfast-image.ts';
import type { S3Server } from '../cluster/s3.ts';
import { type OpenLocation, openTestRepository } from './journey.ts';
import { testRuntime } from './runtime.ts';

export const home = 'holdfast-system';
const bucket = 'backups';

export const nodeSettings: VolumeSettings = {
  ...{ namespace: home, tuning: { ...defaultTuning, compression: 'fastest' }, parallel: 3, parallelPerNode: 3, parallelSnapshots: 4 },
  ...{ snapshotTimeoutMs: 60_000, snapshotClasses: {}, keepSnapshots: 1, storageClasses: {}, liveFallback: true, hookTimeoutMs: 30_000 },
  mover: { image: holdfastReference, imagePullPolicy: 'Never', resources: {}, nodeSelector: {}, timeoutMs: 120_000 },
};

/** A location in a bucket that pods reach. */
export async function bucketLocation(server: S3Server): Promise<OpenLocation> {
  await server.createBucket(bucket);
  return openTestRepository(withRetry(createS3Store({ ...addressOf(server), bucket, prefix: '' }), defaultRetryPolicy, testRuntime));
}

function addressOf({ endpoint, accessKey, secretKey }: S3Server) {
  return { endpoint, credentials: { accessKeyId: accessKey, secretAccessKey: secretKey } };
}

/** A cluster with a node, and all that moving volumes takes on it. */
export interface VolumeWorld {
  readonly api: ClusterApi;
  readonly objects: Objects;
  readonly tools: VolumeTools;
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

export async function openVolumeWorld(
  cluster: ClusterWithNode,
  location: OpenLocation,
  server: S3Server,
  prefix = '',
): Promise<VolumeWorld> {
  const connection = await loadCluster({ kubeconfig: cluster.kubeconfig, environment: {} }, testRuntime);
  const api = createClusterApi(connection, { runtime: testRuntime });
  const pods = createPodApi(connection, { runtime: testRuntime });
  const objects = createObjects(api, testRuntime);
  const warnings: string[] = [];
  await objects.ensure(namespaces, { metadata: { name: home } }, AbortSignal.timeout(30_000));
  const { endpoint, credentials } = addressOf(server);
  const access = createStsAccess({ location: { kind: 's3', endpoint, bucket, prefix, forcePathStyle: true }, credentials });
  const common = {
    ...{ objects, settings: nodeSettings, runtime: testRuntime, monotonic: () => performance.now() },
    lease: (name: string) => createLease(api, { namespace: home, name }),
    onWarning: (text: string) => void warnings.push(text),
  };
  const movers = createMovers({ ...common, pods, access });
  const { store, info } = location.repository;
  const place = { store, repositoryId: info.id, recipients: location.recipients };
  const repositories = createVolumeRepositories({ ...place, objects, namespace: home, runtime: testRuntime });
  return {
    ...{ api, objects, warnings },
    tools: { settings: nodeSettings, movers, repositories, scaled: createScaledWorkloads(common), identities: [location.identity] },
    close: async () => {
      await Promise.all([api.close(), pods.close()]);
    },
  };
}

/** Backs a claim up as it is now, by a mover in its own namespace. */
export async function backUpLive(
  { tools }: VolumeWorld,
  claim: { readonly namespace: string; readonly claim: string },
  more: Partial<VolumeRecord> = {},
): Promise<VolumeRecord> {
  const signal = AbortSignal.timeout(120_000);
  const repository = await tools.repositories.forBackup(claim, signal);
  const mode = more.volumeMode ?? 'Filesystem';
  const done = await tools.movers.run(
    {
      ...{ work: 'test', role: 'backup', subject: claim, namespace: claim.namespace, repository },
      claim: { name: claim.claim, mode, readOnly: true },
      request: access => ({
        ...{ action: 'backup', mode, repository: access.url, options: access.options, tuning: nodeSettings.tuning },
        ...{ path: volumeMount, host: `${claim.namespace}/${claim.claim}`, tags: [], time: new Date().toISOString() },
      }),
    },
    { signal, progress: noProgress },
  );
  const { snapshot = '', files = 0, bytes = 0, addedBytes = 0, durationMs } = done;
  const data = { repository: repository.key, snapshot, source: 'live', files, bytes, addedBytes, durationMs } as const;
  return { ...claim, state: 'captured', reason: '', volumeMode: mode, ...more, data };
}

/** The set with other words about its volumes. */
export function withVolumes(set: SetReader, records: readonly VolumeRecord[]): SetReader {
  return {
    manifest: { ...set.manifest, volumes: records },
    signature: set.signature,
    entries: options => set.entries(options),
    read: (wanted, onObject, options) => set.read(wanted, onObject, options),
  };
}
