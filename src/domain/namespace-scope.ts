import { globToRegExp, isClusterWide, type Selection } from './selection.ts';

/** The namespaces that somebody is restricted to: names and globs (`*` any run, `?` one character). Never empty. */
export type NamespaceScope = readonly string[];

/** Is everything that the pattern can mean within the scope? Says no where it is not certain. */
export function scopeContains(scope: NamespaceScope, pattern: string): boolean {
  // A `?` must not stand for the `*` of another pattern, which means more than one character.
  return scope.some(own => own === pattern || (globToRegExp(own).test(pattern) && !(own.includes('?') && pattern.includes('*'))));
}

/** Could an object of some namespace of the scope be selected? */
export function selectionReaches(selection: Pick<Selection, 'includeNamespaces' | 'excludeNamespaces'>, scope: NamespaceScope): boolean {
  const { includeNamespaces, excludeNamespaces } = selection;
  return scope.some(own => {
    if (excludeNamespaces.length > 0 && scopeContains(excludeNamespaces, own)) return false;
    return includeNamespaces.length === 0 || includeNamespaces.some(included => globsOverlap(included, own));
  });
}

/**
 * Does a set of this selection hold the namespaces that are wanted, whole? Without a word of namespaces the whole cluster is wanted, in which
 * only excluded namespaces and kinds may be missing. Says no where it is not certain.
 */
export function selectionCovers(selection: Selection, wanted: Pick<Selection, 'includeNamespaces' | 'clusterScoped'>): boolean {
  if (isClusterWide(selection)) return !wanted.includeNamespaces.some(pattern => isExcluded(selection, pattern));
  if (wanted.includeNamespaces.length === 0 || wanted.clusterScoped === 'always') return false;
  const { includeNamespaces, includeKinds, includeNames, labelSelector } = selection;
  if (includeKinds.length > 0 || includeNames.length > 0 || labelSelector !== '') return false;
  const within = (pattern: string) => includeNamespaces.length === 0 || scopeContains(includeNamespaces, pattern);
  return wanted.includeNamespaces.every(pattern => within(pattern) && !isExcluded(selection, pattern));
}

function isExcluded({ excludeNamespaces }: Selection, pattern: string): boolean {
  return excludeNamespaces.some(excluded => globsOverlap(excluded, pattern));
}

/** Is there a text that both globs match? */
export function globsOverlap(a: string, b: string): boolean {
  const known = new Map<number, boolean>();
  const from = (i: number, j: number): boolean => {
    const at = i * (b.length + 1) + j;
    const answer = known.get(at);
    if (answer !== undefined) return answer;
    const found = overlapAt(i, j);
    known.set(at, found);
    return found;
  };
  const overlapAt = (i: number, j: number): boolean => {
    if (i === a.length && j === b.length) return true;
    if (a[i] === '*') return from(i + 1, j) || (j < b.length && from(i, j + 1));
    if (b[j] === '*') return from(i, j + 1) || (i < a.length && from(i + 1, j));
    if (i === a.length || j === b.length) return false;
    return (a[i] === b[j] || a[i] === '?' || b[j] === '?') && from(i + 1, j + 1);
  };
  return from(0, 0);
}
