import { kindName } from '../domain/resource.ts';
import { type RestoreStep, restoreSteps } from '../domain/restore-plan.ts';
import { isBuiltIn } from '../domain/restored-form.ts';

interface Kind {
  readonly group: string;
  readonly resource: string;
}

/**
 * The step of each kind; what is not named is an application when it is built in, else a custom resource. Custom resources come before the
 * applications: operators' deployments have owners among them whose UIDs must be known, and a controller that runs already must not find
 * one without its status. Service accounts come before the secrets, since the control plane deletes a token secret whose account is missing.
 */
const stepOfKind: Readonly<Record<string, RestoreStep>> = {
  'customresourcedefinitions.apiextensions.k8s.io': 'custom-resource-definitions',
  namespaces: 'namespaces',
  serviceaccounts: 'cluster-configuration',
  'clusterroles.rbac.authorization.k8s.io': 'cluster-configuration',
  'clusterrolebindings.rbac.authorization.k8s.io': 'cluster-configuration',
  'roles.rbac.authorization.k8s.io': 'cluster-configuration',
  'rolebindings.rbac.authorization.k8s.io': 'cluster-configuration',
  'priorityclasses.scheduling.k8s.io': 'cluster-configuration',
  'storageclasses.storage.k8s.io': 'cluster-configuration',
  'csidrivers.storage.k8s.io': 'cluster-configuration',
  'volumeattributesclasses.storage.k8s.io': 'cluster-configuration',
  'runtimeclasses.node.k8s.io': 'cluster-configuration',
  'ingressclasses.networking.k8s.io': 'cluster-configuration',
  'servicecidrs.networking.k8s.io': 'cluster-configuration',
  'deviceclasses.resource.k8s.io': 'cluster-configuration',
  'flowschemas.flowcontrol.apiserver.k8s.io': 'cluster-configuration',
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': 'cluster-configuration',
  'clustertrustbundles.certificates.k8s.io': 'cluster-configuration',
  'volumesnapshotclasses.snapshot.storage.k8s.io': 'cluster-configuration',
  'gatewayclasses.gateway.networking.k8s.io': 'cluster-configuration',
  configmaps: 'configmaps',
  secrets: 'secrets',
  persistentvolumes: 'volume-claims',
  persistentvolumeclaims: 'volume-claims',
  'cronworkflows.argoproj.io': 'workflows',
  'workflows.argoproj.io': 'workflows',
  'workflowtasksets.argoproj.io': 'workflows',
  'workflowtaskresults.argoproj.io': 'workflows',
  'workflowartifactgctasks.argoproj.io': 'workflows',
  resourcequotas: 'limits',
  limitranges: 'limits',
  'apiservices.apiregistration.k8s.io': 'admission',
};

export function stepOf(kind: Kind): RestoreStep {
  const named = stepOfKind[kindName(kind)];
  if (named !== undefined) return named;
  if (kind.group === 'admissionregistration.k8s.io') return 'admission';
  return isBuiltIn(kind) ? 'applications' : 'custom-resources';
}

/** Within a step: replica sets before deployments, services and policies before what they serve, and what makes pods by itself last. */
const placeOfKind: Readonly<Record<string, number>> = {
  services: 0,
  'networkpolicies.networking.k8s.io': 0,
  'replicasets.apps': 0,
  'controllerrevisions.apps': 0,
  persistentvolumes: 0,
  persistentvolumeclaims: 1,
  'cronworkflows.argoproj.io': 0,
};

/**
 * Controllers adopt these by their labels when they find them, but make others of their own when they do not: they come before their owners,
 * without the reference, which is put right afterwards wherever no controller did it.
 */
const adoptedLater: Readonly<Record<string, readonly string[]>> = {
  'replicasets.apps': ['deployments.apps'],
  'controllerrevisions.apps': ['statefulsets.apps', 'daemonsets.apps'],
  persistentvolumeclaims: ['statefulsets.apps'],
};

/** Everything else needs these first, whoever owns them. */
const neverWaiting = new Set(['customresourcedefinitions.apiextensions.k8s.io', 'namespaces']);

/** Does the dependent come before its owner, and get its reference afterwards? */
export function isAdoptedLater(dependent: Kind, owner: Kind): boolean {
  const name = kindName(dependent);
  return neverWaiting.has(name) || (adoptedLater[name]?.includes(kindName(owner)) ?? false);
}

const placesPerStep = 4;
const levelsPerPlace = 64;
const ranksPerStep = placesPerStep * levelsPerPlace;

/** Objects are written in ascending rank; those of one rank side by side. */
export function baseRank(kind: Kind): number {
  const place = placeOfKind[kindName(kind)] ?? 2;
  return restoreSteps.indexOf(stepOf(kind)) * ranksPerStep + place * levelsPerPlace;
}

export function stepOfRank(rank: number): RestoreStep {
  return restoreSteps[Math.min(Math.floor(rank / ranksPerStep), restoreSteps.length - 1)] ?? 'admission';
}

export interface OwnershipNode extends Kind {
  readonly owners: readonly string[];
}

/**
 * The rank of every object that owns or is owned: after all its owners that are part of the restore, whatever their step, and never before its
 * own kind's place. Owners that form a circle, which no cluster has, are ignored where the circle closes.
 */
export function ranksOfOwned(nodes: ReadonlyMap<string, OwnershipNode>): Map<string, number> {
  const ranks = new Map<string, number>();
  const underWay = new Set<string>();
  const rank = (uid: string, node: OwnershipNode): number => {
    const known = ranks.get(uid);
    if (known !== undefined) return known;
    underWay.add(uid);
    let found = baseRank(node);
    for (const ownerUid of node.owners) {
      const owner = nodes.get(ownerUid);
      if (owner === undefined || underWay.has(ownerUid) || isAdoptedLater(node, owner)) continue;
      found = Math.max(found, rank(ownerUid, owner) + 1);
    }
    underWay.delete(uid);
    ranks.set(uid, found);
    return found;
  };
  for (const [uid, node] of nodes) rank(uid, node);
  return ranks;
}
