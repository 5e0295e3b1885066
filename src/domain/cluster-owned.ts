import { at, isObject, type Json, type JsonObject, stringAt } from './json.ts';
import { type JsonPath, jsonPath, removeAt } from './json-paths.ts';
import { kindName } from './resource.ts';

/**
 * One thing that a cluster decides by itself and that a restore therefore neither brings back nor compares. `path` is a JSON pointer in which
 * `*` stands for every member or item.
 */
interface ClusterOwnedField {
  /** As kubectl names it; `*` for every kind. */
  readonly kind: string;
  readonly path: string;
  readonly reason: string;
  /** Only where the value is so. */
  readonly value?: (value: Json, object: JsonObject) => boolean;
  /** Only in objects that are so. */
  readonly when?: (object: JsonObject) => boolean;
}

export interface ClusterOwnedOptions {
  /** Leave node ports to the cluster. */
  readonly ignoreNodePorts?: boolean;
}

const annotation = (object: JsonObject, name: string) => stringAt(object, 'metadata', 'annotations', name);
const name = (object: JsonObject) => stringAt(object, 'metadata', 'name') ?? '';
const boundByController = (object: JsonObject) => annotation(object, 'pv.kubernetes.io/bound-by-controller') === 'yes';
const notNone = (value: Json) => (Array.isArray(value) ? !value.includes('None') : value !== 'None');
const tokenVolume = (value: Json) => (stringAt(value, 'name') ?? '').startsWith('kube-api-access-');
const generatedSelector = (object: JsonObject) => at(object, 'spec', 'manualSelector') !== true;
const tokenSecret = (object: JsonObject) => stringAt(object, 'type') === 'kubernetes.io/service-account-token';

function madeFor(value: Json, object: JsonObject): boolean {
  const secret = stringAt(value, 'name') ?? '';
  return [`${name(object)}-token-`, `${name(object)}-dockercfg-`].some(
    made => secret.startsWith(made) && secret.length === made.length + 5,
  );
}

const identity = 'identity of the object in one cluster';
const timestamps = 'written by older API servers into embedded metadata, without meaning';
const token = 'the token mount of the service account admission, made anew for each pod';
const binding = 'the binding of one cluster to one volume';
const generated = 'generated from the UID that the job had';
const tokenController = 'filled in by the token controller of the cluster';

/** The table of docs/restore.md: what is taken away before a write, and not compared afterwards. */
export const clusterOwnedFields: readonly ClusterOwnedField[] = [
  { kind: '*', path: '/metadata/uid', reason: identity },
  { kind: '*', path: '/metadata/resourceVersion', reason: identity },
  { kind: '*', path: '/metadata/generation', reason: 'counted by the API server' },
  { kind: '*', path: '/metadata/creationTimestamp', reason: identity },
  { kind: '*', path: '/metadata/selfLink', reason: identity },
  { kind: '*', path: '/metadata/deletionTimestamp', reason: 'the object was being deleted; a restored one lives' },
  { kind: '*', path: '/metadata/deletionGracePeriodSeconds', reason: 'goes with deletionTimestamp' },
  { kind: '*', path: '/metadata/managedFields', reason: 'given back by writing in the managers’ names' },
  ...['/spec/template', '/spec/jobTemplate', '/spec/jobTemplate/spec/template', '/spec/volumeClaimTemplates/*'].map(parent => ({
    kind: '*',
    path: `${parent}/metadata/creationTimestamp`,
    reason: timestamps,
    value: (value: Json) => value === null,
  })),
  { kind: 'namespaces', path: '/spec/finalizers', reason: 'set by the API server' },
  { kind: 'services', path: '/spec/clusterIP', reason: 'an address of the cluster’s own range', value: notNone },
  { kind: 'services', path: '/spec/clusterIPs', reason: 'an address of the cluster’s own range', value: notNone },
  { kind: 'services', path: '/spec/healthCheckNodePort', reason: 'a port of the nodes, allocated by the cluster' },
  { kind: 'pods', path: '/spec/nodeName', reason: 'chosen by the scheduler' },
  { kind: 'pods', path: '/spec/priority', reason: 'computed from the priority class' },
  { kind: 'pods', path: '/spec/preemptionPolicy', reason: 'computed from the priority class' },
  { kind: 'pods', path: '/spec/ephemeralContainers', reason: 'debugging of one running pod; cannot be created' },
  { kind: 'pods', path: '/spec/volumes/*', reason: token, value: tokenVolume },
  { kind: 'pods', path: '/spec/containers/*/volumeMounts/*', reason: token, value: tokenVolume },
  { kind: 'pods', path: '/spec/initContainers/*/volumeMounts/*', reason: token, value: tokenVolume },
  { kind: 'persistentvolumeclaims', path: '/spec/volumeName', reason: binding, when: boundByController },
  { kind: 'persistentvolumeclaims', path: '/metadata/annotations/pv.kubernetes.io~1bind-completed', reason: binding },
  { kind: 'persistentvolumeclaims', path: '/metadata/annotations/pv.kubernetes.io~1bound-by-controller', reason: binding },
  { kind: 'persistentvolumeclaims', path: '/metadata/annotations/volume.kubernetes.io~1selected-node', reason: binding },
  { kind: 'persistentvolumeclaims', path: '/metadata/annotations/volume.kubernetes.io~1storage-provisioner', reason: binding },
  { kind: 'persistentvolumeclaims', path: '/metadata/annotations/volume.beta.kubernetes.io~1storage-provisioner', reason: binding },
  { kind: 'persistentvolumes', path: '/metadata/annotations/pv.kubernetes.io~1bound-by-controller', reason: binding },
  { kind: 'persistentvolumes', path: '/spec/claimRef/uid', reason: binding },
  { kind: 'persistentvolumes', path: '/spec/claimRef/resourceVersion', reason: binding },
  { kind: 'jobs.batch', path: '/spec/selector', reason: generated, when: generatedSelector },
  ...['/metadata/labels', '/spec/template/metadata/labels'].flatMap(labels =>
    ['controller-uid', 'batch.kubernetes.io~1controller-uid'].map(label => ({
      kind: 'jobs.batch',
      path: `${labels}/${label}`,
      reason: generated,
      when: generatedSelector,
    })),
  ),
  { kind: 'serviceaccounts', path: '/secrets/*', reason: 'token secrets made by the cluster', value: madeFor },
  { kind: 'secrets', path: '/metadata/annotations/kubernetes.io~1service-account.uid', reason: tokenController, when: tokenSecret },
  ...['token', 'ca.crt', 'namespace'].map(key => ({ kind: 'secrets', path: `/data/${key}`, reason: tokenController, when: tokenSecret })),
  ...['last-used', 'invalid-since'].map(label => ({
    kind: 'secrets',
    path: `/metadata/labels/kubernetes.io~1legacy-token-${label}`,
    reason: tokenController,
  })),
  {
    kind: 'clusterroles.rbac.authorization.k8s.io',
    path: '/rules',
    reason: 'gathered by the control plane from the roles that it aggregates',
    when: object => isObject(object['aggregationRule']),
  },
  {
    kind: 'deployments.apps',
    path: '/metadata/annotations/deployment.kubernetes.io~1revision',
    reason: 'counted by the deployment controller from the replica sets',
  },
  {
    kind: 'daemonsets.apps',
    path: '/metadata/annotations/deprecated.daemonset.template.generation',
    reason: 'counted by the API server',
  },
];

const nodePorts: ClusterOwnedField = {
  kind: 'services',
  path: '/spec/ports/*/nodePort',
  reason: 'a port of the nodes, allocated by the cluster',
};

interface CompiledRule {
  readonly path: JsonPath;
  readonly field: ClusterOwnedField;
}

const compile = (fields: readonly ClusterOwnedField[]): CompiledRule[] => fields.map(field => ({ path: jsonPath(field.path), field }));
const rulesOf = Map.groupBy(compile(clusterOwnedFields), rule => rule.field.kind);
const everyKind = rulesOf.get('*') ?? [];
const nodePortRules = compile([nodePorts]);

/** Removes, in place, everything that the table names; maps that become empty by it go too, as the API server would drop them. */
export function stripClusterOwned(
  kind: { readonly group: string; readonly resource: string },
  object: JsonObject,
  options: ClusterOwnedOptions = {},
): void {
  const ofKind = rulesOf.get(kindName(kind)) ?? [];
  // The bindings of a claim are recognized by an annotation that is itself removed: conditions are asked before anything changes.
  const rules = [...ofKind, ...(options.ignoreNodePorts ? nodePortRules : [])].filter(rule => rule.field.when?.(object) !== false);
  for (const rule of rules) remove(object, rule);
  for (const rule of everyKind) remove(object, rule);
  dropEmpty(object, ['metadata', 'annotations']);
  dropEmpty(object, ['metadata', 'labels']);
  if (rules.length > 0) dropEmptied(object, rules);
}

function remove(object: JsonObject, rule: CompiledRule): void {
  const { value } = rule.field;
  removeAt(object, rule.path, value === undefined ? undefined : found => value(found, object));
}

function dropEmptied(object: JsonObject, rules: readonly CompiledRule[]): void {
  for (const { path } of rules) {
    const parent = path.slice(0, -1);
    if (parent.length > 0 && !parent.includes('*')) dropEmpty(object, parent);
  }
  if (rules.some(rule => rule.path.at(-1) === 'volumeMounts' || rule.path.includes('volumeMounts'))) dropEmptyMounts(object);
}

function dropEmpty(object: JsonObject, path: readonly string[]): void {
  const parent = at(object, ...path.slice(0, -1));
  const key = path.at(-1);
  if (!isObject(parent) || key === undefined) return;
  const value = parent[key];
  if (Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0) delete parent[key];
}

function dropEmptyMounts(object: JsonObject): void {
  for (const list of ['containers', 'initContainers']) {
    const containers = at(object, 'spec', list);
    if (!Array.isArray(containers)) continue;
    for (const container of containers) if (isObject(container)) dropEmpty(container, ['volumeMounts']);
  }
}

/**
 * Puts what the live object's cluster decided into `wanted`, in place, so that a replacing write does not ask for it to change. Items of lists
 * are left to the API server, which keeps the ports that it allocated.
 */
export function keepClusterOwned(kind: { readonly group: string; readonly resource: string }, wanted: JsonObject, live: JsonObject): void {
  for (const { path, field } of rulesOf.get(kindName(kind)) ?? []) {
    const value = path.includes('*') || field.when?.(live) === false ? undefined : at(live, ...path);
    const key = path.at(-1);
    if (value === undefined || key === undefined || at(wanted, ...path) !== undefined) continue;
    const parent = containerAt(wanted, path.slice(0, -1));
    if (parent !== undefined) parent[key] = value;
  }
}

function containerAt(object: JsonObject, path: readonly string[]): JsonObject | undefined {
  let here = object;
  for (const key of path) {
    const next = here[key] ?? {};
    if (!isObject(next)) return undefined;
    here[key] = next;
    here = next;
  }
  return here;
}
