import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runBackup } from '../../src/backup/run.ts';
import { type CapturedVolumes, createVolumeCapture, type VolumeWish } from '../../src/backup/volumes/capture.ts';
import type { CaptureTools } from '../../src/backup/volumes/context.ts';
import { createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import { createLease } from '../../src/cluster/lease.ts';
import { createPodApi } from '../../src/cluster/pod-client.ts';
import type { BackupOutcome } from '../../src/domain/backup-set.ts';
import { stringAt } from '../../src/domain/json.ts';
import type { MoverMeasure } from '../../src/domain/mover.ts';
import { noProgress, type Progress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import type { VolumeSettings } from '../../src/domain/volume-settings.ts';
import { defaultRetryPolicy } from '../../src/storage/attempt.ts';
import { withRetry } from '../../src/storage/retry.ts';
import { createStsAccess } from '../../src/storage/s3-access.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { createFrozenPods } from '../../src/volumes/frozen-pods.ts';
import { claims, configMaps, jobs, leases, pods, secrets, snapshotContents, volumeSnapshots, volumes } from '../../src/volumes/kinds.ts';
import { createMovers } from '../../src/volumes/movers.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { createVolumeRepositories } from '../../src/volumes/repositories.ts';
import { createScaledWorkloads, type ScaledWorkloads } from '../../src/volumes/scaled-workloads.ts';
import { binary } from '../cluster/binaries.ts';
import type { ClusterWithNode } from '../cluster/cluster.ts';
import { holdfastReference } from '../cluster/holdfast-image.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { type MishapProxy, startMishapProxy } from '../contract/object-store-proxy.ts';
import { type OpenLocation, openTestRepository } from './journey.ts';
import { testRuntime } from './runtime.ts';
import { makeNamespace, nameOf, namespaceOf, never, testVolumeSettings } from './volumes.ts';

const bucket = 'backups';

/** A cluster with a node that has Holdfast’s image, a bucket that its pods reach, and all that capturing volumes takes. */
export interface CaptureWorld {
  readonly api: ClusterApi;
  readonly objects: Objects;
  readonly location: OpenLocation;
  readonly s3: S3Server;
  /** Between movers and the store, where that was asked for. */
  readonly proxy: MishapProxy | undefined;
  readonly warnings: string[];
  /** Of every mover that has ended, in order. */
  readonly moved: MoverMeasure[];
  tools(changes?: Partial<VolumeSettings>, more?: Partial<CaptureTools>): CaptureTools & { readonly scaled: ScaledWorkloads };
  /** Captures the claims of one namespace. */
  capture(namespace: string, wish: VolumeWish, options?: CaptureOptions): Promise<CapturedVolumes>;
  /** A whole backup of one namespace. */
  backUp(namespace: string, wish: VolumeWish, options?: CaptureOptions): Promise<BackupOutcome>;
  /** The record of the only claim of a namespace. */
  captureOne(namespace: string, wish: VolumeWish, options?: CaptureOptions): Promise<VolumeRecord>;
  /** A file of what was moved of a claim, with stock restic. */
  stored(record: VolumeRecord, file: string): Promise<Buffer>;
  /** Whatever runs have left that is not meant to stay, and the number of snapshots that are. */
  remains(): Promise<{ readonly left: readonly string[]; readonly kept: number }>;
  close(): Promise<void>;
}

export interface WorldOptions {
  /** A proxy stands between movers and the store. */
  readonly proxied?: boolean;
}

export interface CaptureOptions {
  readonly id?: string;
  readonly settings?: Partial<VolumeSettings>;
  readonly tools?: Partial<CaptureTools>;
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

let sets = 0;

export async function openCaptureWorld(cluster: ClusterWithNode, { proxied = false }: WorldOptions = {}): Promise<CaptureWorld> {
  const connection = await loadCluster({ kubeconfig: cluster.kubeconfig, environment: {} }, testRuntime);
  const api = createClusterApi(connection, { runtime: testRuntime });
  const podApi = createPodApi(connection, { runtime: testRuntime });
  const objects = createObjects(api, testRuntime);
  const s3 = await startMinio({ address: cluster.node.hostAddress });
  await Promise.all([s3.createBucket(bucket), makeNamespace(objects, testVolumeSettings.namespace)]);
  const credentials = { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey };
  const address = { endpoint: s3.endpoint, bucket, prefix: 'cluster' };
  const location = await openTestRepository(withRetry(createS3Store({ ...address, credentials }), defaultRetryPolicy, testRuntime));
  const proxy = proxied ? await startMishapProxy(s3.endpoint, cluster.node.hostAddress) : undefined;
  const access = createStsAccess({
    ...{ location: { kind: 's3', ...address }, credentials },
    ...(proxy !== undefined && { endpoint: proxy.endpoint }),
  });
  const warnings: string[] = [];
  const moved: MoverMeasure[] = [];
  const observer = { moverBegan: () => {}, moverEnded: (measure: MoverMeasure) => void moved.push(measure) };
  const onWarning = (text: string) => void warnings.push(text);
  const lease = (name: string) => createLease(api, { namespace: testVolumeSettings.namespace, name });
  const common = { objects, runtime: testRuntime, monotonic: () => performance.now(), lease, onWarning };

  const world: CaptureWorld = {
    ...{ api, objects, location, s3, proxy, warnings, moved },
    tools: (changes = {}, more = {}) => {
      const mover = { ...testVolumeSettings.mover, image: holdfastReference, timeoutMs: 120_000 };
      const settings: VolumeSettings = { ...testVolumeSettings, mover, ...changes };
      const { store, info } = location.repository;
      const place = { store, repositoryId: info.id, recipients: location.recipients };
      return {
        ...{ ...common, pods: podApi, settings, errorMs: 1_000 },
        movers: createMovers({
          ...{ ...common, pods: podApi, access, settings, observer, startMs: 60_000 },
          isMade: async (key, signal) => (await store.head(`${key}config`, { signal })) !== undefined,
        }),
        frozen: createFrozenPods({ ...common, pods: podApi, settings }),
        scaled: createScaledWorkloads({ ...common, settings }),
        repositories: createVolumeRepositories({ ...common, ...place, namespace: settings.namespace }),
        ...more,
      };
    },
    capture: async (
      namespace,
      wish,
      { id = `20261123T020000Z-test-${String(++sets).padStart(4, 'a')}`, settings, tools, signal, progress } = {},
    ) => {
      const captured = await createVolumeCapture(world.tools(settings, tools), wish)(
        { id, selection: { ...everything, includeNamespaces: [namespace] } },
        { signal: signal ?? AbortSignal.timeout(150_000), progress: progress ?? noProgress },
      );
      await captured.settle({ state: 'there', hasSet: async () => true });
      return captured;
    },
    backUp: (namespace, wish, { settings, tools, signal, progress } = {}) => {
      const { repository, recipients, signingKey } = location;
      return runBackup({
        ...{ repository, recipients, signingKey, cluster: api, runtime: testRuntime, tier: 'test', sealIndex: false },
        ...{ signal: signal ?? AbortSignal.timeout(170_000), progress: progress ?? noProgress, producerVersion: '0.0.0-test' },
        selection: { ...everything, includeNamespaces: [namespace] },
        volumes: createVolumeCapture(world.tools(settings, tools), wish),
      });
    },
    captureOne: async (namespace, wish, options) => {
      const { records } = await world.capture(namespace, wish, options);
      const [record] = records;
      if (record === undefined || records.length > 1) throw new Error(`there are ${records.length} records`);
      return record;
    },
    stored: async (record, file) => {
      const dir = await tempDir('restored');
      const { repository = '', snapshot = '' } = record.data ?? {};
      const { password } = await world.tools().repositories.forBackup(record, never);
      const env = { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey, RESTIC_PASSWORD: password };
      const from = ['--no-cache', '--repo', `s3:${s3.endpoint}/${bucket}/${address.prefix}/${repository}`];
      await promisify(execFile)(await binary('restic'), [...from, 'restore', snapshot, '--target', dir], { env });
      return await readFile(join(dir, file));
    },
    remains: () => remains(objects),
    close: async () => {
      await Promise.all([api.close(), podApi.close(), location.remove()]);
      await proxy?.close();
      await s3.stop();
    },
  };
  return world;
}

async function remains(objects: Objects): Promise<{ readonly left: readonly string[]; readonly kept: number }> {
  const labelSelector = 'holdfast.dev/work';
  const home = testVolumeSettings.namespace;
  const [jobsLeft, podsLeft, secretsLeft, claimsLeft, notesLeft] = await Promise.all(
    [jobs, pods, secrets, claims, configMaps].map(kind => objects.list(kind, { labelSelector }, never)),
  );
  const snapshots = await objects.list(volumeSnapshots, { labelSelector }, never);
  const isKept = (one: (typeof snapshots)[number]) => stringAt(one, 'metadata', 'labels', 'holdfast.dev/kept') === 'true';
  const contents = await objects.list(snapshotContents, {}, never);
  const leasesLeft = await objects.list(leases, { namespace: home }, never);
  const volumesLeft = (await objects.list(volumes, {}, never)).filter(volume => stringAt(volume, 'spec', 'claimRef', 'namespace') === home);
  const kept = snapshots.filter(isKept);
  const contentsLeft = contents.filter(
    content => !kept.some(one => stringAt(one, 'status', 'boundVolumeSnapshotContentName') === nameOf(content)),
  );
  const all = {
    jobsLeft,
    podsLeft,
    secretsLeft,
    claimsLeft,
    notesLeft,
    snapshots: snapshots.filter(one => !isKept(one)),
    contentsLeft,
    leasesLeft,
    volumesLeft,
  };
  const left = Object.entries(all).flatMap(([what, list]) => (list ?? []).map(one => `${what} ${namespaceOf(one)}/${nameOf(one)}`));
  return { left, kept: kept.length };
}
