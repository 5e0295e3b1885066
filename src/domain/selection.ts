import { kindName } from './resource.ts';

/**
 * What a backup takes, or a restore brings back. Patterns are globs (`*` any run, `?` one character), matched against whole names.
 * An empty include list means everything; exclude wins. Kinds are written as kubectl does (`configmaps`, `workflows.argoproj.io`).
 * A namespace pattern leaves cluster-scoped objects out unless `clusterScoped` says otherwise.
 */
export interface Selection {
  readonly includeNamespaces: readonly string[];
  readonly excludeNamespaces: readonly string[];
  readonly includeKinds: readonly string[];
  readonly excludeKinds: readonly string[];
  /** Kubernetes label selector, such as `app=web,tier!=cache`; empty for all. */
  readonly labelSelector: string;
  /** Object names, as globs; empty for all. */
  readonly includeNames: readonly string[];
  /** `auto`: taken when no namespace pattern is given. */
  readonly clusterScoped: 'auto' | 'always' | 'never';
}

export const everything: Selection = {
  includeNamespaces: [],
  excludeNamespaces: [],
  includeKinds: [],
  excludeKinds: [],
  labelSelector: '',
  includeNames: [],
  clusterScoped: 'auto',
};

export function globToRegExp(glob: string): RegExp {
  const body = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${body}$`, 's');
}

function matcher(include: readonly string[], exclude: readonly string[]): (name: string) => boolean {
  const wanted = include.map(globToRegExp);
  const unwanted = exclude.map(globToRegExp);
  return name => (wanted.length === 0 || wanted.some(r => r.test(name))) && !unwanted.some(r => r.test(name));
}

export interface Selector {
  /** Could any object of this kind be selected? */
  kind(kind: { readonly group: string; readonly resource: string; readonly namespaced: boolean }): boolean;
  namespace(name: string): boolean;
  name(name: string): boolean;
  /** All rules at once, except the label selector, which needs the object. A Namespace object follows the namespace patterns. */
  object(ref: { readonly group: string; readonly resource: string; readonly namespace: string; readonly name: string }): boolean;
}

/** Compiles a selection once, for use on every object. */
export function compileSelection(selection: Selection): Selector {
  const kindMatches = matcher(selection.includeKinds, selection.excludeKinds);
  const namespace = matcher(selection.includeNamespaces, selection.excludeNamespaces);
  const name = matcher(selection.includeNames, []);
  const byNamespace = selection.includeNamespaces.length > 0;
  const clusterScoped = selection.clusterScoped === 'always' || (selection.clusterScoped === 'auto' && !byNamespace);
  const isNamespaceKind = (kind: { group: string; resource: string }) => kind.group === '' && kind.resource === 'namespaces';
  return {
    kind: kind => kindMatches(kindName(kind)) && (kind.namespaced || clusterScoped || isNamespaceKind(kind)),
    namespace,
    name,
    object: ref => {
      if (!kindMatches(kindName(ref)) || !name(ref.name)) return false;
      if (isNamespaceKind(ref)) return selection.clusterScoped === 'never' ? false : namespace(ref.name);
      return ref.namespace === '' ? clusterScoped : namespace(ref.namespace);
    },
  };
}

/** Does it leave nothing out? */
export function isWholeCluster(selection: Selection): boolean {
  const { includeNamespaces, excludeNamespaces, includeKinds, excludeKinds, labelSelector, includeNames, clusterScoped } = selection;
  const unrestricted = [includeNamespaces, excludeNamespaces, includeKinds, excludeKinds, includeNames].every(list => list.length === 0);
  return unrestricted && labelSelector === '' && clusterScoped !== 'never';
}

/** Whatever the order of their lists. */
export function sameSelection(a: Selection, b: Selection): boolean {
  const canonical = (selection: Selection): string =>
    JSON.stringify(
      Object.entries(selection)
        .map(([key, value]) => [key, Array.isArray(value) ? value.toSorted() : value])
        .toSorted(),
    );
  return canonical(a) === canonical(b);
}

/** Do they take the same part of a cluster, whether with its Namespace objects or without? */
export function samePart(a: Selection, b: Selection): boolean {
  const bare = (selection: Selection): Selection =>
    selection.includeNamespaces.length > 0 && selection.clusterScoped === 'auto' ? { ...selection, clusterScoped: 'never' } : selection;
  return sameSelection(bare(a), bare(b));
}

/** Is nothing left out but what is excluded by name? Such a set brings a cluster back. */
export function isClusterWide(selection: Selection): boolean {
  const { includeNamespaces, clusterScoped } = selection;
  const allNamespaces = includeNamespaces.length === 0 || (includeNamespaces.includes('*') && clusterScoped === 'always');
  return allNamespaces && isWholeCluster({ ...selection, includeNamespaces: [], excludeNamespaces: [], excludeKinds: [] });
}
