import type { ClusterApi } from '../../cluster/cluster-api.ts';
import { isCode } from '../../domain/errors.ts';
import { at, isObject, type JsonObject, parseJson, stringAt } from '../../domain/json.ts';
import { objectsIn } from '../../domain/live-record.ts';
import { quantityBytes } from '../../domain/quantity.ts';
import { kindName, type ResourceKind } from '../../domain/resource.ts';
import { type VolumeRecord, volumeNames } from '../../domain/volume.ts';
import type { SnapshotState, TargetClass } from '../../domain/volume-restore.ts';
import {
  claims as claimKind,
  snapshotContents as snapshotContentKind,
  volumeSnapshots as snapshotKind,
  storageClasses as storageClassKind,
  volumes as volumeKind,
} from '../../volumes/kinds.ts';
import type { Ground, RestoreInput } from '../ground.ts';
import { claimOnTarget, type VolumeClaim } from './claim.ts';
import { type FilledVolume, readFilled } from './handover.ts';

/** The claims of a restore of which the set says something. Reads the shards that hold them. */
export async function findClaims(input: RestoreInput, ground: Pick<Ground, 'scope'>): Promise<readonly VolumeClaim[]> {
  const { reader, options, runtime, signal } = input;
  const records = new Map(reader.manifest.volumes.map(record => [`${record.namespace}/${record.claim}`, record]));
  const claims: VolumeClaim[] = [];
  if (records.size === 0) return claims;
  await reader.read(
    entry =>
      kindName(entry) === kindName(claimKind) &&
      ground.scope.rankOf(entry) !== undefined &&
      records.has(`${entry.namespace}/${entry.name}`),
    (entry, json) => {
      const record = records.get(`${entry.namespace}/${entry.name}`);
      const claim = record === undefined ? undefined : claimOnTarget(json, record, options, runtime.now());
      if (claim !== undefined) claims.push(claim);
    },
    { signal },
  );
  return claims;
}

export interface StorageClasses {
  /** By name; a string says why a claim cannot have it. */
  of(spec: JsonObject): TargetClass | string;
}

const defaultClass = 'storageclass.kubernetes.io/is-default-class';

/** Of the target; `toCome`: those that the same restore will bring. */
export async function readStorageClasses(
  cluster: ClusterApi,
  signal: AbortSignal,
  toCome: readonly JsonObject[] = [],
): Promise<StorageClasses> {
  const live = await listObjects(cluster, storageClassKind, { signal });
  const classes = new Map([...toCome, ...live].map(object => [stringAt(object, 'metadata', 'name') ?? '', object]));
  const describe = (name: string, object: JsonObject): TargetClass => {
    const provisioner = stringAt(object, 'provisioner') ?? '';
    return {
      name,
      provisioner: provisioner === 'kubernetes.io/no-provisioner' ? '' : provisioner,
      waitsForConsumer: stringAt(object, 'volumeBindingMode') === 'WaitForFirstConsumer',
    };
  };
  return {
    of: spec => {
      const named = stringAt(spec, 'storageClassName');
      if (named === '') return { name: '', provisioner: '', waitsForConsumer: false };
      const [name, object] =
        named === undefined
          ? ([...classes].find(([, each]) => stringAt(each, 'metadata', 'annotations', defaultClass) === 'true') ?? [])
          : [named, classes.get(named)];
      if (name !== undefined && object !== undefined) return describe(name, object);
      return named === undefined
        ? 'the claim names no storage class, and the target has no default one'
        : `the target has no storage class ${named}: name another one with --storage-class-mapping ${named}=<class>`;
    },
  };
}

/** Storage classes that the restore brings along. */
export async function classesToCome({ reader, signal }: RestoreInput, { scope }: Pick<Ground, 'scope'>): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  await reader.read(
    entry => kindName(entry) === kindName(storageClassKind) && scope.rankOf(entry) !== undefined,
    (_entry, json) => {
      const object = parseJson(json);
      if (isObject(object)) found.push(object);
    },
    { signal },
  );
  return found;
}

/** Is the snapshot that a set names still there, and of the same data? A claim can only be made of one in its own namespace. */
export async function snapshotState(
  record: VolumeRecord,
  { cluster, namespace, signal }: { readonly cluster: ClusterApi; readonly namespace: string; readonly signal: AbortSignal },
): Promise<SnapshotState> {
  const { snapshot } = record;
  if (snapshot === undefined) return 'no snapshot was taken';
  if (snapshot.kept === undefined) return 'the snapshot was not kept';
  if (snapshot.kept.namespace !== namespace) return `the snapshot is kept in ${snapshot.kept.namespace}, and restores work in ${namespace}`;
  const { name } = snapshot.kept;
  const get = async (kind: ResourceKind, of: string, called: string) => {
    const text = await cluster.get(kind, of, called, { signal }).catch((thrown: unknown) => {
      if (isCode(thrown, 'CLUSTER_NOT_FOUND')) return undefined;
      throw thrown;
    });
    return text === undefined ? undefined : parseJson(text);
  };
  const found = await get(snapshotKind, namespace, name);
  if (found === undefined) return `the snapshot ${namespace}/${name} is not in this cluster any more`;
  if (at(found, 'metadata', 'deletionTimestamp') !== undefined) return `the snapshot ${namespace}/${name} is being deleted`;
  if (at(found, 'status', 'readyToUse') !== true) return `the snapshot ${namespace}/${name} is not ready`;
  const content = await get(snapshotContentKind, '', stringAt(found, 'status', 'boundVolumeSnapshotContentName') ?? '');
  const handle = stringAt(content, 'status', 'snapshotHandle') ?? stringAt(content, 'spec', 'source', 'snapshotHandle');
  if (handle !== snapshot.handle) return `the snapshot ${namespace}/${name} is another one than the set’s`;
  const size = quantityBytes(String(at(found, 'status', 'restoreSize') ?? '')) ?? 0;
  return { namespace, name, restoreSizeBytes: Math.max(size, snapshot.restoreSizeBytes) };
}

/** Volumes that restores have filled and whose claims have not been seen bound yet, of whatever set. `installation`: ours. */
export async function readFilledVolumes(
  cluster: ClusterApi,
  installation: string | undefined,
  signal: AbortSignal,
): Promise<readonly FilledVolume[]> {
  const all = await listObjects(cluster, volumeKind, { signal, labelSelector: `${volumeNames.roleLabel}=restore` });
  return all.flatMap(volume => readFilled(volume, installation) ?? []);
}

export async function listObjects(
  cluster: ClusterApi,
  kind: ResourceKind,
  options: { readonly signal: AbortSignal; readonly namespace?: string; readonly labelSelector?: string },
): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  try {
    await cluster.list(kind, batch => void found.push(...objectsIn(batch)), options);
  } catch (thrown) {
    if (!isCode(thrown, 'CLUSTER_NOT_FOUND')) throw thrown;
  }
  return found;
}
