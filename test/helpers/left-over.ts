import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, type JsonObject, stringAt } from '../../src/domain/json.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import { reserveVolume, secureVolume } from '../../src/restore/volumes/handover.ts';
import { claims, jobs, secrets, snapshotContents, volumeSnapshots, volumes } from '../../src/volumes/kinds.ts';
import { claimAnnotations, type Role, type Subject, workLabels } from '../../src/volumes/labels.ts';
import type { Objects } from '../../src/volumes/objects.ts';
import type { ClusterWithNode } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { nameOf, never } from './volumes.ts';

const home = 'holdfast';
const work = '20260101T000000Z-daily-aaaa';
const subject: Subject = { namespace: 'agents', claim: 'gone' };
const patience = { timeoutMs: 90_000, intervalMs: 200 };

function metadata(name: string, role: Role): object {
  return { name, namespace: home, labels: workLabels(work, role, subject), annotations: claimAnnotations(subject) };
}

/** What the driver itself has: names of folders, which are the handles. */
export async function inStorage(cluster: ClusterWithNode, what: 'volumes' | 'snapshots'): Promise<string[]> {
  return (await readdir(join(cluster.node.csi.dataDir, what))).sort();
}

/** Where the snapshot is that a set has kept. */
export interface Kept {
  readonly name: string;
  readonly handle: string;
}

export function keptOf(record: VolumeRecord | undefined): Kept {
  const { kept, handle } = record?.snapshot ?? {};
  if (kept === undefined || handle === undefined) throw new Error(`no snapshot was kept: ${JSON.stringify(record)}`);
  return { name: kept.name, handle };
}

/** The content of a kept snapshot, made to stay whatever becomes of the snapshot. */
export async function retainContent(objects: Objects, { name }: Kept): Promise<JsonObject> {
  const snapshot = await objects.read(volumeSnapshots, home, name, never);
  const content = stringAt(snapshot, 'status', 'boundVolumeSnapshotContentName') ?? '';
  const patched = await objects.merge(snapshotContents, '', content, { spec: { deletionPolicy: 'Retain' } }, never);
  if (patched === undefined) throw new Error(`${name} has no content`);
  return patched;
}

/** A content whose snapshot is gone, and that keeps what the storage has of it. */
export async function leaveContent(objects: Objects, kept: Kept): Promise<string> {
  const content = nameOf(await retainContent(objects, kept));
  await objects.remove(volumeSnapshots, home, kept.name, never);
  const gone = async () => (await objects.read(volumeSnapshots, home, kept.name, never)) === undefined;
  await waitFor(`${kept.name} is gone`, gone, patience);
  return content;
}

/** Another content of the same snapshot in the storage, as a run leaves it that was killed while it handed the snapshot over. */
export async function leaveTwin(objects: Objects, kept: Kept, name: string): Promise<string> {
  const snapshot = await objects.read(volumeSnapshots, home, kept.name, never);
  const content = await objects.read(snapshotContents, '', stringAt(snapshot, 'status', 'boundVolumeSnapshotContentName') ?? '', never);
  const spec = {
    ...{ driver: at(content, 'spec', 'driver'), volumeSnapshotClassName: at(content, 'spec', 'volumeSnapshotClassName') },
    ...{ deletionPolicy: 'Retain', source: { snapshotHandle: kept.handle } },
    volumeSnapshotRef: { namespace: home, name },
  };
  const { labels } = metadata(name, 'snapshot') as { labels: object };
  await objects.create(snapshotContents, { metadata: { name, labels }, spec }, never);
  return name;
}

/** A volume that was filled and reserved for a claim that never came, as a restore leaves it that was killed then. Its handle. */
export async function leaveFilled(api: ClusterApi, objects: Objects): Promise<{ readonly name: string; readonly handle: string }> {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } };
  await objects.create(claims, { metadata: metadata('filled', 'restore'), spec }, never);
  const bound = async () => {
    const claim = await objects.read(claims, home, 'filled', never);
    return stringAt(claim, 'status', 'phase') === 'Bound' ? stringAt(claim, 'spec', 'volumeName') : undefined;
  };
  const name = await waitFor('the temporary claim is bound', bound, patience);
  const context = { cluster: api, signal: never, onWrite: () => {} };
  await secureVolume(name, work, subject, { source: 'repository', bytes: 1, files: 1, durationMs: 1 }, context);
  await objects.remove(claims, home, 'filled', never);
  await waitFor('the temporary claim is gone', async () => (await objects.read(claims, home, 'filled', never)) === undefined, patience);
  await reserveVolume(name, subject, context);
  const volume = await objects.read(volumes, '', name, never);
  return { name, handle: stringAt(volume, 'spec', 'csi', 'volumeHandle') ?? '' };
}

/** A mover of nobody that has ended, and its Secret; or one that works. */
export async function leaveMover(objects: Objects, name: string, state: 'ended' | 'working'): Promise<void> {
  const command = ['sh', '-c', state === 'ended' ? 'true' : 'sleep 10000'];
  const container = { name: 'mover', image: 'localhost/tools:1', imagePullPolicy: 'Never', command };
  const pod = { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container] };
  const spec = { backoffLimit: 0, template: { metadata: { labels: workLabels(work, 'mover', subject) }, spec: pod } };
  await objects.create(jobs, { metadata: metadata(name, 'mover'), spec }, never);
  if (state === 'ended') await objects.create(secrets, { metadata: metadata(name, 'mover'), stringData: { password: 'none' } }, never);
  const field = state === 'ended' ? 'succeeded' : 'active';
  const reached = async () => at(await objects.read(jobs, home, name, never), 'status', field) === 1;
  await waitFor(`the mover ${name} is ${state}`, reached, patience);
}
