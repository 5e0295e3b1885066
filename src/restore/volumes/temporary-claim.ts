import { createHash } from 'node:crypto';
import type { ClaimPlace } from '../../domain/claim-request.ts';
import { type JsonObject, stringAt } from '../../domain/json.ts';
import { neededBytes } from '../../domain/volume-restore.ts';
import { claimAnnotations, shortDigest, workLabels } from '../../volumes/labels.ts';
import { requestOf, type VolumeClaim } from './claim.ts';

/** Of which restore it is, and where. */
export interface TemporaryPlace {
  readonly set: string;
  readonly namespace: string;
  readonly installation?: string | undefined;
  /** Only these files and folders will be in it; everything when empty. */
  readonly include?: readonly string[] | undefined;
}

/** On a temporary claim, 16 hex digits: what its volume is made of, what will be in it, and its form. */
const contentAnnotation = 'holdfast.dev/content';

/** What tells the volume of one claim of one restore from all others: the same restore, run again, finds it. */
export function restoreLabels(set: string, place: ClaimPlace, installation: string | undefined): Readonly<Record<string, string>> {
  const { 'app.kubernetes.io/name': _, ...labels } = workLabels(set, 'restore', place, installation);
  return labels;
}

/** The same at every run, so that no claim is ever filled twice at once. */
export function temporaryName(set: string, { namespace, claim }: ClaimPlace): string {
  return `holdfast-restore-${createHash('sha256').update(`${set} ${namespace}/${claim}`).digest('hex').slice(0, 20)}`;
}

/**
 * A claim in the service's namespace whose volume will be that of `claim`: of the same class, mode and access modes, which the binding asks
 * for, and large enough for the data. `snapshot`: a VolumeSnapshot of the same namespace that it is made of.
 */
export function temporaryClaim(
  claim: VolumeClaim,
  where: TemporaryPlace,
  snapshot?: { readonly name: string; readonly restoreSizeBytes: number },
): JsonObject {
  const { spec, record, sizeBytes } = claim;
  const bytes = sizeBytes ?? neededBytes(requestOf(spec), record, snapshot?.restoreSizeBytes);
  const kept = ['storageClassName', 'volumeMode', 'volumeAttributesClassName'].filter(name => spec[name] !== undefined);
  const group = 'snapshot.storage.k8s.io';
  return temporaryObject(claim, where, {
    ...Object.fromEntries(kept.map(name => [name, spec[name]])),
    accessModes: accessModes(spec),
    resources: { requests: { storage: String(bytes) } },
    ...(snapshot !== undefined && { dataSource: { apiGroup: group, kind: 'VolumeSnapshot', name: snapshot.name } }),
  });
}

/** The like for a volume that is there: it names that, and asks for what the claim itself asks for. */
export function temporaryClaimFor(claim: VolumeClaim, where: TemporaryPlace, volume: JsonObject): JsonObject {
  const { accessModes = ['ReadWriteOnce'], resources, volumeMode = 'Filesystem' } = claim.spec;
  return temporaryObject(claim, where, {
    ...{ accessModes, resources: resources ?? {}, volumeMode },
    // An empty one is not replaced by the default class.
    storageClassName: stringAt(volume, 'spec', 'storageClassName') ?? '',
    volumeName: stringAt(volume, 'metadata', 'name') ?? '',
  });
}

function temporaryObject({ place }: VolumeClaim, where: TemporaryPlace, spec: JsonObject): JsonObject {
  const { set, namespace, installation, include } = where;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      ...{ name: temporaryName(set, place), namespace },
      labels: workLabels(set, 'restore', place, installation),
      annotations: { ...claimAnnotations(place), [contentAnnotation]: shortDigest(JSON.stringify([partsOf(include), spec])) },
    },
    spec,
  };
}

/**
 * Will the claim that was found have what `wanted` is to have? One of the same name may have been made for single files, of a snapshot, or in another
 * size or class, and its volume may be half full.
 */
export function isMadeFor(found: JsonObject, wanted: JsonObject): boolean {
  const same = (...path: readonly string[]) => stringAt(found, ...path) === stringAt(wanted, ...path);
  return same('metadata', 'annotations', contentAnnotation) && same('spec', 'dataSource', 'name');
}

/** In one order, each once: what was asked for in another way is the same. */
export function partsOf(include: readonly string[] = []): readonly string[] {
  return [...new Set(include)].sort();
}

/** A claim that is only ever read must be written once. */
function accessModes(spec: JsonObject): string[] {
  const asked = Array.isArray(spec['accessModes']) ? spec['accessModes'].filter(mode => typeof mode === 'string') : [];
  const writable = asked.some(mode => mode !== 'ReadOnlyMany');
  return writable ? asked : [...asked, 'ReadWriteOnce'];
}
