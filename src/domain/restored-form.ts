import { type ClusterOwnedOptions, stripClusterOwned } from './cluster-owned.ts';
import { at, isObject, type Json, type JsonObject } from './json.ts';
import { mapNamespaces, type NamespaceMapping } from './namespace-mapping.ts';
import type { ResourceKind } from './resource.ts';
import { kindName } from './resource.ts';
import { jobFinished, ownersOf, restoreExclusion } from './restore-policy.ts';
import { mapStorageClasses } from './storage-classes.ts';
import { mapVolumeSize, type VolumeSizes } from './volume-sizes.ts';

/** On objects of an interrupted restore that are not whole yet; taken away by the last write. */
export const restoringAnnotation = 'holdfast.dev/restoring';

/** The groups of Kubernetes itself: their controllers rebuild every status, but that of finished jobs. */
const builtInGroups = new Set([
  '',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'apps',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'extensions',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'networking.k8s.io',
  'node.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'resource.k8s.io',
  'scheduling.k8s.io',
  'storage.k8s.io',
  'storagemigration.k8s.io',
]);

export function isBuiltIn(kind: { readonly group: string }): boolean {
  return builtInGroups.has(kind.group);
}

/** How a status comes back: not at all, within the object, or through its own subresource. */
export type StatusPlace = 'none' | 'body' | 'subresource';

export function statusPlace(kind: Pick<ResourceKind, 'group' | 'resource' | 'subresources'>): StatusPlace {
  if (kindName(kind) === 'jobs.batch') return 'subresource';
  if (isBuiltIn(kind)) return 'none';
  return kind.subresources.includes('status') ? 'subresource' : 'body';
}

/** An object without what its cluster owns, in the three parts that a restore writes and a validation compares. */
export interface ObjectForm {
  /** Everything but the other two. */
  readonly main: JsonObject;
  /** Undefined where there is none, or where it is not brought back. */
  readonly status: Json | undefined;
  /** `metadata.ownerReferences`, with the UIDs of the cluster that the object comes from. */
  readonly owners: readonly JsonObject[];
}

/** Takes an object of any cluster apart, in place. */
export function objectForm(kind: ResourceKind, object: JsonObject, options: ClusterOwnedOptions = {}): ObjectForm {
  const owners = ownersOf(object);
  const status = keptStatus(kind, object);
  delete object['status'];
  if (isObject(object['metadata'])) delete object['metadata']['ownerReferences'];
  stripClusterOwned(kind, object, options);
  return { main: object, status, owners };
}

function keptStatus(kind: ResourceKind, object: JsonObject): Json | undefined {
  const { status } = object;
  if (statusPlace(kind) === 'none' || (isObject(status) && Object.keys(status).length === 0)) return undefined;
  return kindName(kind) === 'jobs.batch' && !jobFinished(object) ? undefined : status;
}

export interface RestoredFormOptions extends ClusterOwnedOptions {
  readonly mapping: NamespaceMapping;
  /** StorageClass in the set to StorageClass on the target. */
  readonly storageClasses?: Readonly<Record<string, string>>;
  readonly volumeSizes?: VolumeSizes;
  readonly now: Date;
}

/** What the target should have: the object of the set without what a cluster owns, under its new namespace; or why it is left out. */
export type RestoredForm = { readonly excluded: string } | (ObjectForm & { readonly notes: readonly string[] });

/** Pure but for `object`, which is taken apart. Owner references still carry the UIDs of the set. */
export function restoredForm(kind: ResourceKind, object: JsonObject, options: RestoredFormOptions): RestoredForm {
  const excluded = restoreExclusion(kind, object, options.now);
  if (excluded !== undefined) return { excluded };
  const notes: string[] = [];
  if (at(object, 'metadata', 'deletionTimestamp') !== undefined)
    notes.push('was being deleted when it was backed up; comes back as a living object');
  mapVolumeSize(kind, object, options.volumeSizes ?? {});
  mapNamespaces(kind, object, options.mapping);
  mapStorageClasses(kind, object, options.storageClasses ?? {});
  if (kindName(kind) === 'jobs.batch') suspendUnfinished(object, notes);
  if (kindName(kind) === 'workflows.argoproj.io') notes.push(...workflowNotes(object));
  return { ...objectForm(kind, object, options), notes };
}

/** The pods of a running job are gone, and what they had done is not known: a person decides whether it runs again. */
function suspendUnfinished(job: JsonObject, notes: string[]): void {
  if (jobFinished(job) || !isObject(job['spec']) || job['spec']['suspend'] === true) return;
  job['spec']['suspend'] = true;
  notes.push('had not finished; comes back suspended, set spec.suspend to false to run it');
}

function workflowNotes(workflow: JsonObject): string[] {
  const notes: string[] = [];
  const lost = podSteps(workflow, 'Running');
  if (lost.length > 0) {
    notes.push(
      `had ${lost.length} running steps (${named(lost)}) whose pods are gone: the controller ends them as errors, or retries where the workflow says so`,
    );
  }
  const waiting = podSteps(workflow, 'Pending');
  if (waiting.length > 0)
    notes.push(`had ${waiting.length} steps (${named(waiting)}) that waited for their pods: the controller makes these anew`);
  const offloaded = at(workflow, 'status', 'offloadNodeStatusVersion');
  if (typeof offloaded === 'string' && offloaded !== '')
    notes.push('keeps the status of its steps in a database, which is not part of this backup');
  return notes;
}

function podSteps(workflow: JsonObject, phase: string): string[] {
  const nodes = at(workflow, 'status', 'nodes');
  if (!isObject(nodes)) return [];
  const found = Object.values(nodes).filter(node => at(node, 'type') === 'Pod' && at(node, 'phase') === phase);
  return found.map(node => String(at(node, 'displayName') ?? at(node, 'name')));
}

function named(steps: readonly string[]): string {
  const most = 5;
  return steps.length > most ? `${steps.slice(0, most).join(', ')} …` : steps.join(', ');
}
