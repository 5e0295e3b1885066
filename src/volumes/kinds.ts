import type { ResourceKind } from '../domain/resource.ts';

const verbs = ['get', 'list', 'watch', 'create', 'patch', 'update', 'delete'];

function namespaced(group: string, version: string, resource: string, kind: string): ResourceKind {
  return { group, version, resource, kind, namespaced: true, verbs, subresources: [] };
}

function clusterWide(group: string, version: string, resource: string, kind: string): ResourceKind {
  return { group, version, resource, kind, namespaced: false, verbs, subresources: [] };
}

// What volumes are made of, in versions that every cluster has that is still maintained.
export const claims = namespaced('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim');
export const volumes = clusterWide('', 'v1', 'persistentvolumes', 'PersistentVolume');
export const pods = namespaced('', 'v1', 'pods', 'Pod');
export const secrets = namespaced('', 'v1', 'secrets', 'Secret');
export const configMaps = namespaced('', 'v1', 'configmaps', 'ConfigMap');
export const events = namespaced('', 'v1', 'events', 'Event');
export const nodes = clusterWide('', 'v1', 'nodes', 'Node');
export const namespaces = clusterWide('', 'v1', 'namespaces', 'Namespace');
export const jobs = namespaced('batch', 'v1', 'jobs', 'Job');
export const leases = namespaced('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const storageClasses = clusterWide('storage.k8s.io', 'v1', 'storageclasses', 'StorageClass');
export const volumeSnapshots = namespaced('snapshot.storage.k8s.io', 'v1', 'volumesnapshots', 'VolumeSnapshot');
export const snapshotContents = clusterWide('snapshot.storage.k8s.io', 'v1', 'volumesnapshotcontents', 'VolumeSnapshotContent');
export const snapshotClasses = clusterWide('snapshot.storage.k8s.io', 'v1', 'volumesnapshotclasses', 'VolumeSnapshotClass');
