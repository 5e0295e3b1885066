import { isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import { volumeNames } from '../domain/volume.ts';

/** On a volume that a restore has filled: what its reclaim policy was before it was made safe. */
export const reclaimAnnotation = 'holdfast.dev/reclaim-policy';

/** On a volume that is filled, JSON of `Filled`; gone once its claim is bound. */
export const filledAnnotation = 'holdfast.dev/filled';

/** On a volume that was there before us and is being filled, JSON of `Taken`. */
export const takenAnnotation = 'holdfast.dev/taken';

/** How a volume was when a restore took it. */
export interface Taken {
  /** RFC 3339. */
  readonly at: string;
  /** The claim that it was reserved for. */
  readonly claimRef: { readonly namespace: string; readonly name: string } | null;
}

/** Undefined for a volume that was made for us. */
export function readTaken(volume: JsonObject | undefined): Taken | undefined {
  const text = stringAt(volume, 'metadata', 'annotations', takenAnnotation);
  const taken = text === undefined ? undefined : parseJson(text);
  return isObject(taken) ? (taken as unknown as Taken) : undefined;
}

/** What a restore writes on volumes; none of it stays. */
export const markLabels = [volumeNames.workLabel, volumeNames.roleLabel, volumeNames.claimLabel, volumeNames.installationLabel];
export const markAnnotations = [volumeNames.claimAnnotation, filledAnnotation, reclaimAnnotation, takenAnnotation];

/** A volume that was made for us alone goes with its claim, whatever its class says; one that was there before us stays. */
export function letGo(volume: JsonObject | undefined): JsonObject {
  return readTaken(volume) === undefined ? { spec: { persistentVolumeReclaimPolicy: 'Delete' } } : {};
}

/**
 * Gives up a volume that was filled for a claim and is not wanted any more: it gets, in `namespace`, a claim that does not exist, so that its
 * provisioner deletes it. One that was there before us becomes what it was, and no claim may have it then.
 */
export function discardPatch(volume: JsonObject, namespace: string): JsonObject {
  const taken = readTaken(volume);
  if (taken !== undefined) return giveBackPatch(volume, taken);
  const name = stringAt(volume, 'metadata', 'name') ?? '';
  const uid = stringAt(volume, 'metadata', 'uid') ?? '';
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion: null };
  return { spec: { persistentVolumeReclaimPolicy: 'Delete', claimRef } };
}

function giveBackPatch(volume: JsonObject, { claimRef }: Taken): JsonObject {
  const policy = stringAt(volume, 'metadata', 'annotations', reclaimAnnotation) ?? 'Retain';
  const reference =
    claimRef === null ? null : { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...claimRef, uid: null, resourceVersion: null };
  return {
    metadata: { labels: nothing(markLabels), annotations: nothing([...markAnnotations, 'pv.kubernetes.io/bound-by-controller']) },
    spec: { persistentVolumeReclaimPolicy: policy, claimRef: reference },
  };
}

/** In a merge patch: takes all of them away. */
export function nothing(names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map(name => [name, null]));
}
