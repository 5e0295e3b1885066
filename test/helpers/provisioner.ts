import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { isCode } from '../../src/domain/errors.ts';
import { at, type JsonObject, stringAt } from '../../src/domain/json.ts';
import { objectsIn } from '../../src/domain/live-record.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { kindOf } from './restore.ts';

export const claims = kindOf('persistentvolumeclaims/v1 PersistentVolumeClaim status');
export const volumes = kindOf('persistentvolumes/v1 PersistentVolume status', false);
export const storageClasses = kindOf('storageclasses.storage.k8s.io/v1 StorageClass', false);

/** Where no node runs: what an external provisioner does with claims and volumes, so that the real volume controller can bind them. */
export interface Provisioner {
  readonly driver: string;
  /** Volumes made so far. */
  made(): number;
  stop(): Promise<void>;
}

const driver = 'csi.example.com';

/** Volumes of a class whose name begins with `kept` are retained. */
const policyOf = (className: string) => (className.startsWith('kept') ? 'Retain' : 'Delete');

export async function makeClass(api: ClusterApi, name: string, volumeBindingMode: 'Immediate' | 'WaitForFirstConsumer'): Promise<void> {
  const body = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name },
    provisioner: driver,
    volumeBindingMode,
    reclaimPolicy: policyOf(name),
  };
  await api.create(storageClasses, '', JSON.stringify(body));
}

export function startProvisioner(api: ClusterApi): Provisioner {
  const ending = new AbortController();
  const madeFor = new Set<string>();
  const loop = async () => {
    while (!ending.signal.aborted) {
      for (const claim of await listOf(api, claims)) await provision(api, claim, madeFor);
      for (const volume of await listOf(api, volumes)) await reclaim(api, volume);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  };
  const done = loop();
  return {
    driver,
    made: () => madeFor.size,
    stop: async () => {
      ending.abort();
      await done;
    },
  };
}

/** Like external-provisioner: when the volume controller asks for it by an annotation, which with WaitForFirstConsumer takes a selected node. */
async function provision(api: ClusterApi, claim: JsonObject, madeFor: Set<string>): Promise<void> {
  const uid = stringAt(claim, 'metadata', 'uid') ?? '';
  const asked = stringAt(claim, 'metadata', 'annotations', 'volume.kubernetes.io/storage-provisioner') === driver;
  if (!asked || madeFor.has(uid) || stringAt(claim, 'status', 'phase') !== 'Pending') return;
  madeFor.add(uid);
  const { namespace, name } = claim['metadata'] as { namespace: string; name: string };
  const body = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `pvc-${uid}`, annotations: { 'pv.kubernetes.io/provisioned-by': driver } },
    spec: {
      capacity: { storage: at(claim, 'spec', 'resources', 'requests', 'storage') },
      accessModes: at(claim, 'spec', 'accessModes'),
      volumeMode: at(claim, 'spec', 'volumeMode'),
      storageClassName: at(claim, 'spec', 'storageClassName'),
      persistentVolumeReclaimPolicy: policyOf(stringAt(claim, 'spec', 'storageClassName') ?? ''),
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid },
      csi: { driver, volumeHandle: uid },
    },
  };
  await api.create(volumes, '', JSON.stringify(body));
}

async function reclaim(api: ClusterApi, volume: JsonObject): Promise<void> {
  const released = stringAt(volume, 'status', 'phase') === 'Released' && at(volume, 'metadata', 'deletionTimestamp') === undefined;
  if (released && stringAt(volume, 'spec', 'persistentVolumeReclaimPolicy') === 'Delete') {
    await api.delete(volumes, '', stringAt(volume, 'metadata', 'name') ?? '');
  }
}

export async function listOf(api: ClusterApi, kind: ResourceKind, namespace?: string): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  try {
    await api.list(kind, batch => void found.push(...objectsIn(batch)), namespace === undefined ? {} : { namespace });
  } catch (thrown) {
    if (!isCode(thrown, 'CLUSTER_NOT_FOUND')) throw thrown;
  }
  return found;
}
