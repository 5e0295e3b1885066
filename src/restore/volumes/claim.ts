import type { ClaimPlace } from '../../domain/claim-request.ts';
import { at, isObject, type JsonObject, parseJson, stringAt } from '../../domain/json.ts';
import { quantityBytes } from '../../domain/quantity.ts';
import type { RestoreOptions } from '../../domain/restore-plan.ts';
import { restoredForm } from '../../domain/restored-form.ts';
import type { VolumeMode, VolumeRecord } from '../../domain/volume.ts';
import { sizeOf } from '../../domain/volume-sizes.ts';
import { claims as claimKind } from '../../volumes/kinds.ts';
import { formOptions } from '../assess.ts';

/** A claim of the set, as the target shall have it, and what the set has of its data. */
export interface VolumeClaim {
  readonly place: ClaimPlace;
  readonly record: VolumeRecord;
  /** `spec` of the claim on the target. */
  readonly spec: JsonObject;
  /** All of it, in the form that it has on the target. */
  readonly object: JsonObject;
  /** Bytes that it shall have, whatever it had. */
  readonly sizeBytes?: number;
  /** The volume that it had where it was backed up. */
  readonly before?: string;
}

/** `json`: the claim as it is in the set. */
export function claimOnTarget(json: string, record: VolumeRecord, options: RestoreOptions, now: Date): VolumeClaim | undefined {
  const object = parseJson(json);
  if (!isObject(object)) return undefined;
  const before = stringAt(object, 'spec', 'volumeName');
  const form = restoredForm(claimKind, object, formOptions(options, now));
  if ('excluded' in form) return undefined;
  const spec = at(form.main, 'spec');
  const namespace = stringAt(form.main, 'metadata', 'namespace') ?? '';
  const place = { namespace, claim: record.claim };
  const sizeBytes = sizeOf(options.volumeSizes, record);
  return {
    place,
    record,
    spec: isObject(spec) ? spec : {},
    object: form.main,
    ...(before !== undefined && { before }),
    ...(sizeBytes !== undefined && { sizeBytes }),
  };
}

export function modeOf(spec: JsonObject): VolumeMode {
  return spec['volumeMode'] === 'Block' ? 'Block' : 'Filesystem';
}

/** Bytes. */
export function requestOf(spec: JsonObject): number {
  const asked = at(spec, 'resources', 'requests', 'storage');
  return quantityBytes(typeof asked === 'number' ? String(asked) : typeof asked === 'string' ? asked : '') ?? 0;
}
