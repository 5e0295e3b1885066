import { isObject, type JsonObject } from './json.ts';
import { changeStringsAt, type JsonPath, jsonPath } from './json-paths.ts';
import { kindName } from './resource.ts';

export type NamespaceMapping = Readonly<Record<string, string>>;

const podNamespaces = (spec: string): string[] =>
  ['podAffinity', 'podAntiAffinity'].flatMap(affinity => [
    `${spec}/affinity/${affinity}/requiredDuringSchedulingIgnoredDuringExecution/*/namespaces/*`,
    `${spec}/affinity/${affinity}/preferredDuringSchedulingIgnoredDuringExecution/*/podAffinityTerm/namespaces/*`,
  ]);
const templateNamespaces = podNamespaces('/spec/template/spec');
const byName = ['matchLabels/kubernetes.io~1metadata.name'];
const webhook = ['/webhooks/*/clientConfig/service/namespace', ...byName.map(label => `/webhooks/*/namespaceSelector/${label}`)];
const routes = ['/spec/parentRefs/*/namespace', '/spec/rules/*/backendRefs/*/namespace'];

/**
 * Where objects name a namespace other than their own: kind to JSON pointers (`*` for every item). Besides these, `metadata.namespace`, the
 * names of Namespaces, and the user and group names of service accounts in RBAC subjects follow the mapping.
 */
export const namespaceReferences: Readonly<Record<string, readonly string[]>> = {
  'rolebindings.rbac.authorization.k8s.io': ['/subjects/*/namespace'],
  'clusterrolebindings.rbac.authorization.k8s.io': ['/subjects/*/namespace'],
  'validatingwebhookconfigurations.admissionregistration.k8s.io': webhook,
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': webhook,
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': ['/spec/paramRef/namespace'],
  'customresourcedefinitions.apiextensions.k8s.io': ['/spec/conversion/webhook/clientConfig/service/namespace'],
  'apiservices.apiregistration.k8s.io': ['/spec/service/namespace'],
  persistentvolumes: ['/spec/claimRef/namespace'],
  persistentvolumeclaims: ['/spec/dataSourceRef/namespace'],
  'networkpolicies.networking.k8s.io': byName.flatMap(label => [
    `/spec/ingress/*/from/*/namespaceSelector/${label}`,
    `/spec/egress/*/to/*/namespaceSelector/${label}`,
  ]),
  pods: podNamespaces('/spec'),
  'deployments.apps': templateNamespaces,
  'statefulsets.apps': templateNamespaces,
  'daemonsets.apps': templateNamespaces,
  'replicasets.apps': templateNamespaces,
  'jobs.batch': templateNamespaces,
  'cronjobs.batch': podNamespaces('/spec/jobTemplate/spec/template/spec'),
  'gateways.gateway.networking.k8s.io': ['/spec/listeners/*/tls/certificateRefs/*/namespace'],
  'httproutes.gateway.networking.k8s.io': routes,
  'grpcroutes.gateway.networking.k8s.io': routes,
  'referencegrants.gateway.networking.k8s.io': ['/spec/from/*/namespace'],
  'servicemonitors.monitoring.coreos.com': ['/spec/namespaceSelector/matchNames/*'],
  'podmonitors.monitoring.coreos.com': ['/spec/namespaceSelector/matchNames/*'],
  'sensors.argoproj.io': [
    '/spec/triggers/*/template/argoWorkflow/source/resource/metadata/namespace',
    '/spec/triggers/*/template/k8s/source/resource/metadata/namespace',
  ],
  'eventsources.argoproj.io': ['/spec/resource/*/namespace'],
  'applications.argoproj.io': ['/spec/destination/namespace'],
};

const compiled: ReadonlyMap<string, readonly JsonPath[]> = new Map(
  Object.entries(namespaceReferences).map(([kind, pointers]) => [kind, pointers.map(jsonPath)]),
);
const bindings = new Set(['rolebindings.rbac.authorization.k8s.io', 'clusterrolebindings.rbac.authorization.k8s.io']);

export function mappedNamespace(mapping: NamespaceMapping, namespace: string): string {
  return Object.hasOwn(mapping, namespace) ? (mapping[namespace] ?? namespace) : namespace;
}

/** Where an object of the set lies on the target. */
export function mappedPlace(
  mapping: NamespaceMapping,
  ref: { readonly group: string; readonly resource: string; readonly namespace: string; readonly name: string },
): { readonly namespace: string; readonly name: string } {
  if (ref.group === '' && ref.resource === 'namespaces') return { namespace: '', name: mappedNamespace(mapping, ref.name) };
  return { namespace: ref.namespace === '' ? '' : mappedNamespace(mapping, ref.namespace), name: ref.name };
}

/** Changes, in place, every namespace that the object names. */
export function mapNamespaces(
  kind: { readonly group: string; readonly resource: string },
  object: JsonObject,
  mapping: NamespaceMapping,
): void {
  const map = (namespace: string) => mappedNamespace(mapping, namespace);
  changeStringsAt(object, ['metadata', 'namespace'], map);
  const name = kindName(kind);
  if (name === 'namespaces') {
    changeStringsAt(object, ['metadata', 'name'], map);
    changeStringsAt(object, ['metadata', 'labels', 'kubernetes.io/metadata.name'], map);
  }
  for (const path of compiled.get(name) ?? []) changeStringsAt(object, path, map);
  if (bindings.has(name) && Array.isArray(object['subjects'])) {
    for (const subject of object['subjects']) if (isObject(subject)) mapSubjectName(subject, map);
  }
}

/** `system:serviceaccounts:<namespace>` and `system:serviceaccount:<namespace>:<name>`. */
function mapSubjectName(subject: JsonObject, map: (namespace: string) => string): void {
  if (subject['kind'] === 'ServiceAccount') return;
  changeStringsAt(subject, ['name'], text =>
    text.replace(/^(system:serviceaccounts?:)([^:]+)/, (_all, prefix: string, namespace: string) => prefix + map(namespace)),
  );
}
