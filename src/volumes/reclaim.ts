import { type JsonObject, stringAt } from '../domain/json.ts';

/** On a volume that a restore has filled: what its reclaim policy was before it was made safe. */
export const reclaimAnnotation = 'holdfast.dev/reclaim-policy';

/** A volume that was made for us alone goes with its claim, whatever its class says. */
export const letGo: JsonObject = { spec: { persistentVolumeReclaimPolicy: 'Delete' } };

/**
 * Gives up a volume that was filled for a claim and is not wanted any more: it gets, in `namespace`, a claim that does not exist, so that its
 * provisioner deletes it.
 */
export function discardPatch(volume: JsonObject, namespace: string): JsonObject {
  const name = stringAt(volume, 'metadata', 'name') ?? '';
  const uid = stringAt(volume, 'metadata', 'uid') ?? '';
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion: null };
  return { spec: { persistentVolumeReclaimPolicy: 'Delete', claimRef } };
}
