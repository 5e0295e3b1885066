import { type JsonObject, stringAt } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';
import { kindName } from '../domain/resource.ts';
import { isOwnName, volumeNames } from '../domain/volume.ts';

/** Kinds that a cluster makes for itself: bringing them back would be wrong or meaningless. Documented in docs/backup.md. */
export const clusterMadeKinds: Readonly<Record<string, string>> = {
  events: 'a record of what happened, expiring within hours',
  'events.events.k8s.io': 'a record of what happened, expiring within hours',
  'leases.coordination.k8s.io': 'held by running components, renewed every few seconds',
  'leasecandidates.coordination.k8s.io': 'held by running components, renewed every few seconds',
  nodes: 'registered by the kubelets of the cluster itself',
  'csinodes.storage.k8s.io': 'registered by the kubelets of the cluster itself',
  'csistoragecapacities.storage.k8s.io': 'published by the storage drivers of the cluster itself',
  'volumeattachments.storage.k8s.io': 'made by the control plane when a pod is placed on a node',
  'resourceslices.resource.k8s.io': 'published by the device drivers of the nodes themselves',
  componentstatuses: 'a live view of the control plane',
  'ipaddresses.networking.k8s.io': 'made by the API server for each service address',
  'certificatesigningrequests.certificates.k8s.io': 'a short-lived request, made again by whoever needs the certificate',
  'podcertificaterequests.certificates.k8s.io': 'a short-lived request, made again by the kubelet',
  'storageversions.internal.apiserver.k8s.io': 'the API server’s own bookkeeping',
};

/** Why a kind is not read, or undefined where it is. */
export function kindExclusion(kind: ResourceKind): string | undefined {
  const made = clusterMadeKinds[kindName(kind)];
  if (made !== undefined) return made;
  if (!kind.verbs.includes('list')) return 'cannot be listed';
  if (!kind.verbs.includes('create') && !kind.verbs.includes('patch')) return 'read-only: the API offers no way to write it back';
  return undefined;
}

/** What a rule may look at. */
export interface ObjectSummary {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface ObjectRule {
  readonly kind: string;
  readonly reason: string;
  /** `whole` parses the object: for kinds of which there are few. */
  readonly matches: (object: ObjectSummary, whole: () => JsonObject) => boolean;
}

function isApiServersOwn(object: ObjectSummary): boolean {
  return object.namespace === 'default' && object.name === 'kubernetes';
}

/** Kinds of which Holdfast makes objects for a while, or keeps some beside the sets: a restore has no use for them. */
const ownKinds = [
  ...['persistentvolumeclaims', 'pods', 'secrets', 'configmaps', 'jobs.batch'],
  ...['volumesnapshots.snapshot.storage.k8s.io', 'volumesnapshotcontents.snapshot.storage.k8s.io'],
];

const ownReason = 'made by Holdfast itself to move or keep the data of volumes';

/** What the cluster makes for these carries no label of ours: it says whom it belongs to. */
const madeForOwn = [
  { kind: 'persistentvolumes', reference: 'claimRef' },
  { kind: 'volumesnapshotcontents.snapshot.storage.k8s.io', reference: 'volumeSnapshotRef' },
] as const;

const ownObjects: readonly ObjectRule[] = [
  ...ownKinds.map(
    (kind): ObjectRule => ({ kind, reason: ownReason, matches: object => object.labels[volumeNames.workLabel] !== undefined }),
  ),
  ...madeForOwn.map(
    ({ kind, reference }): ObjectRule => ({
      ...{ kind, reason: ownReason },
      matches: (_object, whole) => isOwnName(stringAt(whole(), 'spec', reference, 'name') ?? ''),
    }),
  ),
];

/** Single objects within kinds that are backed up which a cluster makes for itself, or Holdfast while it works. */
export const clusterMadeObjects: readonly ObjectRule[] = [
  {
    kind: 'configmaps',
    reason: 'the cluster’s own CA, published in each namespace by the control plane',
    matches: object => object.name === 'kube-root-ca.crt',
  },
  {
    kind: 'configmaps',
    reason: 'published by the API server',
    matches: object =>
      object.namespace === 'kube-system' &&
      (object.name === 'extension-apiserver-authentication' || object.name === 'kube-apiserver-legacy-service-account-token-tracking'),
  },
  {
    kind: 'configmaps',
    reason: 'what Holdfast remembers of its own notices',
    matches: object => object.labels['holdfast.dev/state'] !== undefined,
  },
  {
    kind: 'endpoints',
    reason: 'made from services and pods by the control plane',
    matches: object => object.labels['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller' || isApiServersOwn(object),
  },
  {
    kind: 'endpointslices.discovery.k8s.io',
    reason: 'made from services and pods by the control plane',
    matches: object =>
      (object.labels['endpointslice.kubernetes.io/managed-by'] ?? '').endsWith('-controller.k8s.io') || isApiServersOwn(object),
  },
  {
    kind: 'services',
    reason: 'the API server’s own service',
    matches: isApiServersOwn,
  },
  {
    kind: 'apiservices.apiregistration.k8s.io',
    reason: 'registered by the API server for its own groups and custom resources',
    matches: object => object.labels['kube-aggregator.kubernetes.io/automanaged'] !== undefined,
  },
  {
    kind: 'servicecidrs.networking.k8s.io',
    reason: 'the API server’s own address range',
    matches: object => object.name === 'kubernetes',
  },
  ...ownObjects,
];

/** The rules for one kind, so that most kinds cost nothing per object. */
export function objectRules(kind: { readonly group: string; readonly resource: string }): readonly ObjectRule[] {
  const name = kindName(kind);
  return clusterMadeObjects.filter(rule => rule.kind === name);
}
