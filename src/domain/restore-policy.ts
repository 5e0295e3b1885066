import { at, isObject, type Json, type JsonObject, stringAt } from './json.ts';
import { kindName } from './resource.ts';

type Rule = (object: JsonObject, now: Date) => string | undefined;

const boundToStorage = 'describes a snapshot in the storage of the cluster that was backed up; deleting it here could delete it there';

/**
 * Objects that are not brought back, by kind, with the reason. Doing so would run something a second time, point at what another cluster owns,
 * or be undone by the control plane at once.
 */
const rules: Readonly<Record<string, Rule>> = {
  pods: pod => {
    if (
      isObject(at(pod, 'metadata', 'annotations')) &&
      stringAt(pod, 'metadata', 'annotations', 'kubernetes.io/config.mirror') !== undefined
    ) {
      return 'the mirror of a static pod, made by its kubelet';
    }
    if (ownersOf(pod).length > 0) return 'made anew by its owner';
    const phase = stringAt(pod, 'status', 'phase');
    return phase === 'Succeeded' || phase === 'Failed' ? `finished (${phase}): creating it would run it again` : undefined;
  },
  persistentvolumes: volume =>
    stringAt(volume, 'metadata', 'annotations', 'pv.kubernetes.io/provisioned-by') === undefined
      ? undefined
      : 'provisioned for one claim of the cluster that was backed up; the restored claim gets a volume of its own',
  'jobs.batch': (job, now) => {
    const seconds = at(job, 'spec', 'ttlSecondsAfterFinished');
    return expired(typeof seconds === 'number' ? seconds : undefined, finishedAt(job), now);
  },
  'workflows.argoproj.io': (workflow, now) => expired(workflowTtl(workflow), stringAt(workflow, 'status', 'finishedAt'), now),
  'volumesnapshots.snapshot.storage.k8s.io': () => boundToStorage,
  'volumesnapshotcontents.snapshot.storage.k8s.io': () => boundToStorage,
  'volumegroupsnapshots.groupsnapshot.storage.k8s.io': () => boundToStorage,
  'volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io': () => boundToStorage,
};

/** Why an object of the set is not brought back, or undefined where it is. */
export function restoreExclusion(
  kind: { readonly group: string; readonly resource: string },
  object: JsonObject,
  now: Date,
): string | undefined {
  return rules[kindName(kind)]?.(object, now);
}

export function ownersOf(object: JsonObject): JsonObject[] {
  const owners = at(object, 'metadata', 'ownerReferences');
  return Array.isArray(owners) ? owners.filter(isObject) : [];
}

/** Has this Job reached its end? */
export function jobFinished(job: JsonObject): boolean {
  return finishedCondition(job) !== undefined;
}

/** Has this Workflow reached its end? Then no controller acts on it any more. */
export function workflowFinished(workflow: JsonObject): boolean {
  return ['Succeeded', 'Failed', 'Error'].includes(stringAt(workflow, 'status', 'phase') ?? '');
}

function finishedCondition(job: JsonObject): Json | undefined {
  const conditions = at(job, 'status', 'conditions');
  if (!Array.isArray(conditions)) return undefined;
  return conditions.find(
    condition => ['Complete', 'Failed'].includes(stringAt(condition, 'type') ?? '') && stringAt(condition, 'status') === 'True',
  );
}

function finishedAt(job: JsonObject): string | undefined {
  return stringAt(finishedCondition(job), 'lastTransitionTime') ?? stringAt(job, 'status', 'completionTime');
}

function workflowTtl(workflow: JsonObject): number | undefined {
  const ttl = at(workflow, 'spec', 'ttlStrategy');
  const own = at(ttl, stringAt(workflow, 'status', 'phase') === 'Succeeded' ? 'secondsAfterSuccess' : 'secondsAfterFailure');
  const seconds = own ?? at(ttl, 'secondsAfterCompletion');
  return typeof seconds === 'number' ? seconds : undefined;
}

function expired(ttlSeconds: number | undefined, finished: string | undefined, now: Date): string | undefined {
  if (ttlSeconds === undefined || finished === undefined) return undefined;
  const end = Date.parse(finished) + ttlSeconds * 1000;
  return end < now.getTime() ? `past the end of its time to live (${new Date(end).toISOString()}): it would be deleted at once` : undefined;
}
