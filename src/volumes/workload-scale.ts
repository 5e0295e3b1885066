import type { ClaimPlace } from '../domain/claim-request.ts';
import { at, isObject, type JsonObject, stringAt } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';
import { ownersOf } from '../domain/restore-policy.ts';
import { hasEnded, inUse, type UsersContext, uses } from './claim-users.ts';
import { pods } from './kinds.ts';
import { isOurMover, workloadsUsing } from './mover-users.ts';

const apps = { group: 'apps', version: 'v1', namespaced: true, verbs: [], subresources: ['scale'] } as const;
const scalable: readonly ResourceKind[] = [
  { ...apps, resource: 'deployments', kind: 'Deployment' },
  { ...apps, resource: 'statefulsets', kind: 'StatefulSet' },
  { ...apps, resource: 'replicasets', kind: 'ReplicaSet' },
];

/** On a workload that was scaled down: for which claims, with commas between, and to how many replicas it goes back. */
const scaledForAnnotation = 'holdfast.dev/scaled-down-for';
const replicasAnnotation = 'holdfast.dev/replicas';

interface Workload {
  readonly kind: ResourceKind;
  readonly object: JsonObject;
}

/**
 * Scales down what makes the pods, and waits until none is left. What was scaled is written on the workload itself, once: `scaleUp` finds it,
 * whoever was killed in between, and however often it was begun anew. VOLUME_IN_USE for pods that nothing scales, before anything is changed.
 */
export async function scaleDown(
  place: ClaimPlace,
  users: readonly JsonObject[],
  context: UsersContext & { readonly timeoutMs: number; readonly installation: string | undefined },
): Promise<void> {
  const { objects, signal, timeoutMs, installation } = context;
  const workloads = new Map<string, Workload>();
  for (const pod of users) {
    const found = await workloadOf(pod, place.namespace, context);
    if (found === undefined) throw inUse(place, [pod], ', which nothing that can be scaled has made');
    workloads.set(`${found.kind.resource}/${nameOf(found.object)}`, found);
  }
  for (const { kind, object } of workloads.values()) {
    const annotations = {
      [scaledForAnnotation]: [...new Set([...scaledFor(object), place.claim])].join(','),
      [replicasAnnotation]: String(replicasBefore(object)),
    };
    await objects.merge(kind, place.namespace, nameOf(object), { metadata: { annotations }, spec: { replicas: 0 } }, signal);
  }
  const gone = await objects.observe(
    pods,
    { namespace: place.namespace },
    all => ([...all.values()].some(pod => uses(pod, place.claim) && !hasEnded(pod) && !isOurMover(pod, installation)) ? undefined : true),
    { timeoutMs, signal },
  );
  if (gone === undefined) throw inUse(place, await workloadsUsing(place, context), ', which do not go away though they were scaled down');
}

/**
 * Gives every workload that was scaled down for the claim its replicas back, unless another claim of it is still being restored; what somebody has
 * scaled up meanwhile stays so. Which they are: `deployments agents/app`.
 */
export async function scaleUp(place: ClaimPlace, { objects, signal }: UsersContext): Promise<readonly string[]> {
  const scaled: string[] = [];
  for (const kind of scalable) {
    for (const object of await objects.list(kind, { namespace: place.namespace }, signal)) {
      const claims = scaledFor(object);
      // A replica set has its deployment's annotations too.
      if (!claims.includes(place.claim) || controllerOf(object) !== undefined) continue;
      const others = claims.filter(claim => claim !== place.claim);
      const patch =
        others.length > 0
          ? { metadata: { annotations: { [scaledForAnnotation]: others.join(',') } } }
          : {
              metadata: { annotations: { [scaledForAnnotation]: null, [replicasAnnotation]: null } },
              spec: { replicas: replicasBefore(object) },
            };
      await objects.merge(kind, place.namespace, nameOf(object), patch, signal);
      if (others.length === 0) scaled.push(`${kind.resource} ${place.namespace}/${nameOf(object)}`);
    }
  }
  return scaled;
}

function scaledFor(object: JsonObject): readonly string[] {
  return (stringAt(object, 'metadata', 'annotations', scaledForAnnotation) ?? '').split(',').filter(claim => claim !== '');
}

/** What it has now, or had before it was scaled down for a claim. */
function replicasBefore(object: JsonObject): number {
  const now = at(object, 'spec', 'replicas') ?? 1;
  const noted = Number.parseInt(stringAt(object, 'metadata', 'annotations', replicasAnnotation) ?? '', 10);
  return now === 0 && scaledFor(object).length > 0 && Number.isSafeInteger(noted) ? noted : Number(now);
}

/** The outermost controller of a pod that has replicas. */
async function workloadOf(pod: JsonObject, namespace: string, { objects, signal }: UsersContext): Promise<Workload | undefined> {
  let found: Workload | undefined;
  for (let object: JsonObject | undefined = pod; object !== undefined; ) {
    const owner = controllerOf(object);
    const kind = scalable.find(one => one.kind === owner?.['kind'] && `apps/v1` === owner?.['apiVersion']);
    // A controller of another kind above would scale it back.
    if (owner !== undefined && kind === undefined) return undefined;
    if (owner === undefined || kind === undefined) return found;
    object = await objects.read(kind, namespace, String(owner['name']), signal);
    if (isObject(object)) found = { kind, object };
  }
  return found;
}

function controllerOf(object: JsonObject): JsonObject | undefined {
  return ownersOf(object).find(one => one['controller'] === true);
}

function nameOf(object: JsonObject): string {
  return stringAt(object, 'metadata', 'name') ?? '';
}
