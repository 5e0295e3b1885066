import type { ItemFailure } from './backup-set.ts';
import type { ErrorCode } from './errors.ts';
import type { VolumeMode, VolumeRecord } from './volume.ts';

/** Where the data of a restored claim comes from; `none`: the set has none, or nobody wants it. */
export type VolumeSource = 'snapshot' | 'repository' | 'none';

/**
 * What a restore does about the data of a claim. `fill`: the claim appears once its volume is full. `empty`: it is created without data, on
 * purpose. `keep`: whatever it has now stays. `fail`: its data cannot be brought back, so the claim is not created at all.
 */
export type VolumeAction = 'fill' | 'empty' | 'keep' | 'fail';

export interface PlannedVolume {
  /** On the target. */
  readonly namespace: string;
  readonly claim: string;
  readonly source: VolumeSource;
  readonly action: VolumeAction;
  /** Why so; empty where there is nothing to say. */
  readonly reason: string;
  /** With `fail`. */
  readonly code?: ErrorCode;
  /** The volume that is there and gets the data, where nothing makes one for the claim. */
  readonly volume?: string;
  /** Of the data; 0 where it is not known, as with a snapshot that was never moved. */
  readonly bytes: number;
}

/** What became of the data of one claim. */
export interface VolumeOutcome {
  /** On the target. */
  readonly namespace: string;
  readonly claim: string;
  readonly source: VolumeSource;
  readonly state: 'filled' | 'empty' | 'kept' | 'failed';
  readonly reason: string;
  readonly bytes: number;
  readonly files: number;
  readonly durationMs: number;
  readonly problem?: ItemFailure;
}

/** The kept snapshot of a claim as it is on the target now; a string says why it cannot be used. */
export type SnapshotState = { readonly namespace: string; readonly name: string; readonly restoreSizeBytes: number } | string;

/** The storage class of the target that the claim will have. */
export interface TargetClass {
  /** Empty for a claim without one. */
  readonly name: string;
  /** CSI driver; empty where nothing provisions its volumes. */
  readonly provisioner: string;
  readonly waitsForConsumer: boolean;
}

export interface VolumeSituation {
  /** On the target. */
  readonly namespace: string;
  readonly claim: string;
  readonly record: VolumeRecord;
  /** Is there a claim of that name on the target already? */
  readonly exists: boolean;
  /** The volume that is there and that the claim can have, where nothing makes one for it; a string says why there is none. */
  readonly fixed?: { readonly name: string } | string;
  readonly volumeMode: VolumeMode;
  /** A string says why there is none. */
  readonly storage: TargetClass | string;
  readonly snapshot: SnapshotState;
  /** Bytes that the volume shall have, where somebody says so. */
  readonly sizeBytes?: number;
  /** `none`: claims are to be empty. */
  readonly wanted: 'data' | 'none';
}

/**
 * Pure: where the data of a claim comes from. The snapshot is quicker, the repository is always there. A volume that is there already gets the data
 * where it is empty: a claim that ends without data has failed.
 */
export function planVolume(situation: VolumeSituation): PlannedVolume {
  const { namespace, claim, record, storage, snapshot } = situation;
  const bytes = record.data?.bytes ?? 0;
  const plan = (action: VolumeAction, source: VolumeSource, reason: string, more: Pick<PlannedVolume, 'code' | 'volume'> = {}) => {
    return { namespace, claim, source, action, reason, ...more, bytes: action === 'fill' ? bytes : 0 } satisfies PlannedVolume;
  };
  if (situation.exists) return plan('keep', 'none', 'is there already: its data stays as it is');
  if (situation.wanted === 'none') return plan('empty', 'none', 'no data is wanted');
  if (record.state === 'not-protected') return plan('empty', 'none', `its data is not in the set: ${record.reason}`);
  if (record.state === 'failed' && record.data === undefined && record.snapshot === undefined) {
    return plan('fail', 'none', `its data is not in the set: ${record.reason}`, { code: 'VOLUME_DATA_MISSING' });
  }
  if (record.volumeMode !== undefined && record.volumeMode !== situation.volumeMode) {
    const modes = `the data is of volumeMode ${record.volumeMode}, and the claim of ${situation.volumeMode}`;
    return plan('fail', 'none', modes, { code: 'VOLUME_MODE_MISMATCH' });
  }
  const { fixed } = situation;
  if (typeof fixed === 'string') return plan('fail', 'none', fixed, { code: 'VOLUME_UNSUPPORTED' });
  if (fixed !== undefined) {
    if (record.data === undefined) {
      const reason = `only a snapshot was taken, of which the volume ${fixed.name} cannot be made`;
      return plan('fail', 'none', reason, { code: 'VOLUME_DATA_MISSING' });
    }
    if (situation.volumeMode === 'Filesystem') {
      return plan('fill', 'repository', `into the volume ${fixed.name}, unless that has files`, { volume: fixed.name });
    }
    return plan('fail', 'none', `what the block volume ${fixed.name} has cannot be told: ${byHand}`, { code: 'VOLUME_UNSUPPORTED' });
  }
  if (typeof storage === 'string') return plan('fail', 'none', storage, { code: 'VOLUME_UNSUPPORTED' });
  const unusable =
    typeof snapshot === 'string' ? snapshot : (otherDriver(record, storage) ?? tooSmall(situation, snapshot.restoreSizeBytes));
  if (unusable === undefined) return plan('fill', 'snapshot', '');
  if (record.data !== undefined) return plan('fill', 'repository', record.snapshot === undefined ? '' : unusable);
  return plan('fail', 'none', `${unusable}, and its data was not moved to the repository`, { code: 'VOLUME_DATA_MISSING' });
}

const byHand = 'create the claim with --volumes none, and overwrite it with holdfast volumes restore --in-place';

/** Of a claim whose volume had files before it was restored. */
export function occupiedReason(volume: string): string {
  return `the volume ${volume} has files already, and keeps them: holdfast volumes restore --in-place overwrites them`;
}

function otherDriver({ snapshot }: VolumeRecord, storage: TargetClass): string | undefined {
  if (snapshot === undefined || snapshot.driver === storage.provisioner) return undefined;
  return `the snapshot is of ${snapshot.driver}, and the storage class ${storage.name} of ${storage.provisioner}`;
}

function tooSmall({ sizeBytes }: VolumeSituation, needed: number): string | undefined {
  if (sizeBytes === undefined || sizeBytes >= needed) return undefined;
  return `the snapshot takes ${needed} bytes, and the claim shall have ${sizeBytes}`;
}

/** Bytes that a volume must have to take the data: what the claim asks for, unless the data had more room. */
export function neededBytes(requested: number, record: Pick<VolumeRecord, 'sizeBytes'>, snapshotBytes = 0): number {
  return Math.max(requested, record.sizeBytes ?? 0, snapshotBytes);
}
