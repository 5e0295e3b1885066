import { type ErrorCode, HoldfastError } from './errors.ts';

/** As `spec.volumeMode` of a claim has it. */
export type VolumeMode = 'Filesystem' | 'Block';

/**
 * `captured`: everything that was asked for this claim is there. `not-protected`: its data is not in the set, and on purpose: nobody asked for
 * it, it was left out, or there is none. `failed`: it was asked for and is not there; the set is PartiallyFailed.
 */
export type VolumeState = 'captured' | 'not-protected' | 'failed';

/** A snapshot in the storage of the cluster: quick to restore from, and gone with that storage. */
export interface VolumeSnapshotRecord {
  /** CSI driver: `ebs.csi.aws.com`. */
  readonly driver: string;
  /** VolumeSnapshotClass. */
  readonly class: string;
  /** The driver's own name of the snapshot. */
  readonly handle: string;
  /** RFC 3339, UTC: the moment that the data is of, by the storage's clock where it tells. */
  readonly takenAt: string;
  /** Bytes that a volume made of it needs at least; 0 where the driver does not say. */
  readonly restoreSizeBytes: number;
  /** The VolumeSnapshot that keeps it; absent where it was deleted once its data was moved. */
  readonly kept?: { readonly namespace: string; readonly name: string };
}

/** The data of a claim, moved into its restic repository. */
export interface VolumeDataRecord {
  /** Key below the location, with a slash at its end: `volumes/agents/workspace/`. */
  readonly repository: string;
  /** Id of the restic snapshot, 64 hex digits. */
  readonly snapshot: string;
  /** What was read: a volume made of a snapshot, or the claim itself while it was in use. */
  readonly source: 'snapshot' | 'live';
  /** 1 for a block volume. */
  readonly files: number;
  /** Bytes of the data. */
  readonly bytes: number;
  /** Bytes that were new to the repository, after compression. */
  readonly addedBytes: number;
  readonly durationMs: number;
}

/** What a set has of one claim. */
export interface VolumeRecord {
  readonly namespace: string;
  readonly claim: string;
  readonly state: VolumeState;
  /** Why not, or why otherwise than asked; empty where there is nothing to say. */
  readonly reason: string;
  /** With `failed`. */
  readonly code?: ErrorCode;
  readonly storageClass?: string;
  readonly volumeMode?: VolumeMode;
  readonly accessModes?: readonly string[];
  /** Bytes of the volume. */
  readonly sizeBytes?: number;
  readonly snapshot?: VolumeSnapshotRecord;
  readonly data?: VolumeDataRecord;
}

/** `persistentvolumeclaims agents/workspace`. */
export function claimName({ namespace, claim }: Pick<VolumeRecord, 'namespace' | 'claim'>): string {
  return `persistentvolumeclaims ${namespace}/${claim}`;
}

/** Where the files of a claim are in the repository. VOLUME_DATA_MISSING, VOLUME_MODE_MISMATCH. */
export function filesOf(
  set: { readonly volumes: readonly VolumeRecord[] },
  place: Pick<VolumeRecord, 'namespace' | 'claim'>,
): VolumeDataRecord {
  const record = set.volumes.find(one => one.namespace === place.namespace && one.claim === place.claim);
  if (record?.data === undefined) {
    const why = record === undefined ? 'the set says nothing of it' : record.reason || 'it was not moved';
    throw new HoldfastError('VOLUME_DATA_MISSING', `the data of ${claimName(place)} is not in the repository: ${why}`);
  }
  if (record.volumeMode !== 'Block') return record.data;
  throw new HoldfastError('VOLUME_MODE_MISMATCH', `${claimName(place)} is a block volume: it has no files`);
}

/** Labels and annotations of objects that Holdfast makes or reads around volumes. */
export const volumeNames = {
  /** On everything that is made for a while or kept: its value is the set's id, or the restore's. */
  workLabel: 'holdfast.dev/work',
  /** What an object is for: `snapshot`, `mover`, `upkeep`, `restore`; `repository` on a Secret that holds a repository's password, `frozen` on the note of a pod, `scaled` on that of workloads. */
  roleLabel: 'holdfast.dev/role',
  /** Whose it is, where several installations share a cluster: 16 hex digits for location and namespace. */
  installationLabel: 'holdfast.dev/installation',
  /** On movers: digest of the repository's key, 16 hex digits. */
  repositoryLabel: 'holdfast.dev/repository',
  /** Digest of namespace and claim, 16 hex digits: names are longer than a label may be. */
  claimLabel: 'holdfast.dev/claim',
  /** `<namespace>/<claim>` in full. */
  claimAnnotation: 'holdfast.dev/claim',
  /** On a claim: `"true"` leaves its data out. */
  excludeAnnotation: 'backup.holdfast.dev/exclude',
  /** On a claim: the VolumeSnapshotClass to use. */
  classAnnotation: 'backup.holdfast.dev/snapshot-class',
  /** On a claim: `snapshot`, or `live` to read it while it is in use. */
  methodAnnotation: 'backup.holdfast.dev/method',
  /** On a pod, JSON arrays of words or a line for `sh -c`: run before and after the snapshots of its claims. */
  quiesceAnnotation: 'backup.holdfast.dev/quiesce',
  thawAnnotation: 'backup.holdfast.dev/thaw',
  /** On a pod: the container of both; the first unless told. */
  hookContainerAnnotation: 'backup.holdfast.dev/hook-container',
  /** On a pod: how long each may take, such as `30s`. */
  hookTimeoutAnnotation: 'backup.holdfast.dev/hook-timeout',
  /** On a pod: `continue` takes the snapshots although the quiesce hook failed. */
  hookOnErrorAnnotation: 'backup.holdfast.dev/hook-on-error',
} as const;

/** Is that the name of a claim or snapshot that Holdfast made for a while, or keeps? `holdfast-<claim>-<random>`, `holdfast-restore-<digest>`. */
export function isOwnName(name: string): boolean {
  return /^holdfast-(?:(?:kept-)?[0-9a-f]{16}-[0-9a-f]{6}|restore-[0-9a-f]{20})$/.test(name);
}
