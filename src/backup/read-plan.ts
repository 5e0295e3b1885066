import type { Discovery } from '../cluster/cluster-api.ts';
import type { Exclusion, ItemProblem } from '../domain/backup-set.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import { compileSelection, type Selection } from '../domain/selection.ts';
import { kindExclusion } from './exclusions.ts';

/** What one backup reads, decided from what the cluster serves. */
export interface ReadPlan {
  readonly kinds: readonly ResourceKind[];
  /** Kinds whose API has revisions of its own. */
  readonly ownRevision: ReadonlySet<ResourceKind>;
  readonly excluded: readonly Exclusion[];
  /** API groups that did not answer and that the selection wants. */
  readonly problems: readonly ItemProblem[];
  /** Namespaces to list one by one, or empty to list each kind at once. */
  readonly namespaces: readonly string[];
}

/** More literal namespaces than this are read by one list per kind and filtered here. */
const mostNamespaceLists = 8;

/** Pure: discovery and selection in, what to read and what to leave out (with reasons) out. */
export function planRead(discovery: Discovery, selection: Selection): ReadPlan {
  const selector = compileSelection(selection);
  const kinds: ResourceKind[] = [];
  const excluded: Exclusion[] = [];
  for (const kind of discovery.kinds) {
    const reason = kindExclusion(kind) ?? (selector.kind(kind) ? undefined : 'not selected');
    if (reason === undefined) kinds.push(kind);
    else if (kind.verbs.includes('list')) excluded.push({ what: kindName(kind), reason });
  }
  const problems = discovery.unavailable
    .filter(group => selectsGroup(selector, group.groupVersion))
    .map(group => ({
      item: group.groupVersion,
      code: 'DISCOVERY_INCOMPLETE' as const,
      message: `API group did not answer: ${group.message}`,
    }));
  return {
    kinds,
    ownRevision: new Set(kinds.filter(kind => discovery.aggregatedGroups.has(kind.group))),
    excluded,
    problems,
    namespaces: literalNamespaces(selection),
  };
}

/** A group that answered nothing has no kinds to match, so an invented one stands for them: `*.metrics.k8s.io` excludes the group. */
function selectsGroup(selector: ReturnType<typeof compileSelection>, groupVersion: string): boolean {
  const group = groupVersion.split('/')[0] ?? '';
  return selector.kind({ group, resource: 'any', namespaced: true });
}

function literalNamespaces(selection: Selection): readonly string[] {
  const { includeNamespaces } = selection;
  const literal = includeNamespaces.length <= mostNamespaceLists && includeNamespaces.every(name => !/[*?]/.test(name));
  return literal ? includeNamespaces : [];
}
