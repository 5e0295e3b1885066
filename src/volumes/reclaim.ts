import { type JsonObject, stringAt } from '../domain/json.ts';

/** On a volume that a restore has filled: what its reclaim policy was before it was made safe. */
export const reclaimAnnotation = 'holdfast.dev/reclaim-policy';

/**
 * Gives up a volume that was filled for a claim and is not wanted any more: it gets its reclaim policy back and, in `namespace`, a claim that
 * does not exist, so that its provisioner deletes it where that is the policy.
 */
export function discardPatch(volume: JsonObject, namespace: string): JsonObject {
  const persistentVolumeReclaimPolicy = stringAt(volume, 'metadata', 'annotations', reclaimAnnotation) ?? 'Delete';
  const name = stringAt(volume, 'metadata', 'name') ?? '';
  const uid = stringAt(volume, 'metadata', 'uid') ?? '';
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion: null };
  return { spec: { persistentVolumeReclaimPolicy, claimRef } };
}
