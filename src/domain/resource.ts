/** A listable kind as discovery describes it. `version` is the one that is read and written: the group's preferred version. */
export interface ResourceKind {
  /** API group, empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural name in the URL, such as `configmaps`. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  /** Names of subresources, such as `status` or `scale`. */
  readonly subresources: readonly string[];
}

/** Which object, in words that a path or a message can be made of. `namespace` is empty for cluster-scoped objects. */
export interface ObjectRef {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** The name kubectl uses: `configmaps`, `workflows.argoproj.io`. */
export function kindName(kind: { readonly group: string; readonly resource: string }): string {
  return kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`;
}

/** `v1` or `argoproj.io/v1alpha1`. */
export function apiVersion(kind: { readonly group: string; readonly version: string }): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** For people and logs: `workflows.argoproj.io agents/build-1`, `namespaces agents`. */
export function refName(ref: Omit<ObjectRef, 'version'>): string {
  return `${kindName(ref)} ${ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}`}`;
}

/** Where an object lies in an archive: `<group>/<version>/<resource>/<namespace|_cluster>/<name>.json`; the core group is `core`. */
export function archivePath(ref: ObjectRef): string {
  return `${ref.group === '' ? 'core' : ref.group}/${ref.version}/${ref.resource}/${ref.namespace === '' ? '_cluster' : ref.namespace}/${ref.name}.json`;
}

/** Is this the kind whose contents must never lie in the clear, nor be guessable from a digest? */
export function isSecretKind(kind: { readonly group: string; readonly resource: string }): boolean {
  return kind.group === '' && kind.resource === 'secrets';
}
