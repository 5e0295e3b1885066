import type { ClaimPlace } from '../../domain/claim-request.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { at, isObject, type Json, type JsonObject, stringAt } from '../../domain/json.ts';
import type { ResourceKind } from '../../domain/resource.ts';
import { ownersOf } from '../../domain/restore-policy.ts';
import { claimName } from '../../domain/volume.ts';
import { pods } from '../../volumes/kinds.ts';
import type { Objects } from '../../volumes/objects.ts';

const apps = { group: 'apps', version: 'v1', namespaced: true, verbs: [], subresources: ['scale'] } as const;
const scalable: readonly ResourceKind[] = [
  { ...apps, resource: 'deployments', kind: 'Deployment' },
  { ...apps, resource: 'statefulsets', kind: 'StatefulSet' },
  { ...apps, resource: 'replicasets', kind: 'ReplicaSet' },
];

/** On a workload that was scaled down: for which claim, and to how many replicas it goes back. */
const scaledForAnnotation = 'holdfast.dev/scaled-down-for';
const replicasAnnotation = 'holdfast.dev/replicas';

export interface UsersContext {
  readonly objects: Objects;
  readonly signal: AbortSignal;
  /** Called once per write request. */
  readonly onWrite: () => void;
}

/** Pods that have the claim, or will: ended ones do not count. */
export async function podsUsing({ namespace, claim }: ClaimPlace, { objects, signal }: UsersContext): Promise<readonly JsonObject[]> {
  return (await objects.list(pods, { namespace }, signal)).filter(pod => uses(pod, claim) && !hasEnded(pod));
}

export function uses(pod: JsonObject, claim: string): boolean {
  const volumes = at(pod, 'spec', 'volumes');
  if (!Array.isArray(volumes)) return false;
  const ephemeral = (volume: Json) =>
    at(volume, 'ephemeral') !== undefined && `${stringAt(pod, 'metadata', 'name')}-${stringAt(volume, 'name')}` === claim;
  return volumes.some(volume => stringAt(volume, 'persistentVolumeClaim', 'claimName') === claim || ephemeral(volume));
}

function hasEnded(pod: JsonObject): boolean {
  return ['Succeeded', 'Failed'].includes(stringAt(pod, 'status', 'phase') ?? '');
}

/** VOLUME_IN_USE with the names of the pods. */
export function inUse(place: ClaimPlace, users: readonly JsonObject[], why = ''): HoldfastError {
  const names = users.map(pod => stringAt(pod, 'metadata', 'name') ?? '').sort();
  const most = 10;
  const shown = names.length > most ? `${names.slice(0, most).join(', ')} and ${names.length - most} more` : names.join(', ');
  return new HoldfastError('VOLUME_IN_USE', `${claimName(place)} is used by pods ${shown}${why}`);
}

/**
 * Scales down what makes the pods, and waits until none is left. What was scaled is written on the workload itself: `scaleUp` finds it, whoever
 * was killed in between. VOLUME_IN_USE for pods that nothing scales, before anything is changed.
 */
export async function scaleDown(
  place: ClaimPlace,
  users: readonly JsonObject[],
  context: UsersContext & { readonly timeoutMs: number },
): Promise<void> {
  const { objects, signal, onWrite, timeoutMs } = context;
  const workloads = new Map<string, { kind: ResourceKind; object: JsonObject }>();
  for (const pod of users) {
    const found = await workloadOf(pod, place.namespace, context);
    if (found === undefined) throw inUse(place, [pod], ', which nothing that can be scaled has made');
    workloads.set(`${found.kind.resource}/${stringAt(found.object, 'metadata', 'name')}`, found);
  }
  for (const { kind, object } of workloads.values()) {
    const replicas = at(object, 'spec', 'replicas') ?? 1;
    const annotations = { [scaledForAnnotation]: place.claim, [replicasAnnotation]: String(replicas) };
    onWrite();
    await objects.merge(kind, place.namespace, nameOf(object), { metadata: { annotations }, spec: { replicas: 0 } }, signal);
  }
  const gone = await objects.observe(
    pods,
    { namespace: place.namespace },
    all => ([...all.values()].some(pod => uses(pod, place.claim) && !hasEnded(pod)) ? undefined : true),
    { timeoutMs, signal },
  );
  if (gone === undefined) throw inUse(place, await podsUsing(place, context), ', which do not go away though they were scaled down');
}

/** Gives every workload that was scaled down for the claim its replicas back. */
export async function scaleUp(place: ClaimPlace, { objects, signal, onWrite }: UsersContext): Promise<void> {
  for (const kind of scalable) {
    for (const object of await objects.list(kind, { namespace: place.namespace }, signal)) {
      if (stringAt(object, 'metadata', 'annotations', scaledForAnnotation) !== place.claim) continue;
      const replicas = Number(stringAt(object, 'metadata', 'annotations', replicasAnnotation) ?? 1);
      const annotations = { [scaledForAnnotation]: null, [replicasAnnotation]: null };
      onWrite();
      await objects.merge(kind, place.namespace, nameOf(object), { metadata: { annotations }, spec: { replicas } }, signal);
    }
  }
}

/** The outermost controller of a pod that has replicas. */
async function workloadOf(
  pod: JsonObject,
  namespace: string,
  { objects, signal }: UsersContext,
): Promise<{ kind: ResourceKind; object: JsonObject } | undefined> {
  let found: { kind: ResourceKind; object: JsonObject } | undefined;
  for (let object: JsonObject | undefined = pod; object !== undefined; ) {
    const owner = ownersOf(object).find(one => one['controller'] === true);
    const kind = scalable.find(one => one.kind === owner?.['kind'] && `apps/v1` === owner?.['apiVersion']);
    // A controller of another kind above would scale it back.
    if (owner !== undefined && kind === undefined) return undefined;
    if (owner === undefined || kind === undefined) return found;
    object = await objects.read(kind, namespace, String(owner['name']), signal);
    if (isObject(object)) found = { kind, object };
  }
  return found;
}

function nameOf(object: JsonObject): string {
  return stringAt(object, 'metadata', 'name') ?? '';
}
