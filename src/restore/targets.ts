import type { Discovery } from '../cluster/cluster-api.ts';
import { apiVersion, kindName, type ResourceKind } from '../domain/resource.ts';

/** The kind as the target serves it in the set's version, or why it cannot be written there. */
export type Target =
  /** `toCome`: once its definition, which is part of the same restore, is established. */
  | { readonly kind: ResourceKind; readonly toCome?: true }
  /** `served`: in other versions. */
  | { readonly missing: string; readonly served?: true };

interface SetKind {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
}

/** Objects are written in the version that they were read in: a version of another shape is for the person to decide on. */
export function findTarget(discovery: Discovery, wanted: SetKind): Target {
  const served = discovery.servedVersions.get(`${wanted.group}/${wanted.resource}`) ?? [];
  const preferred = discovery.kinds.find(kind => kind.group === wanted.group && kind.resource === wanted.resource);
  if (served.includes(wanted.version) && preferred !== undefined) return { kind: { ...preferred, version: wanted.version } };
  if (preferred?.version === wanted.version) return { kind: preferred };
  const unanswered = discovery.unavailable.find(group => group.groupVersion === apiVersion(wanted));
  if (unanswered !== undefined) {
    return { missing: `the target lists ${unanswered.groupVersion}, but it did not answer: ${unanswered.message}` };
  }
  if (served.length > 0) {
    return {
      missing: `the target serves ${kindName(wanted)} as ${served.join(', ')} and not as ${wanted.version}, in which it was backed up`,
    };
  }
  return { missing: `the target does not serve ${kindName(wanted)} (${apiVersion(wanted)} ${wanted.kind})` };
}

/** A kind that its definition, which is part of the same restore, will bring. */
export function kindToCome(wanted: SetKind & { readonly namespaced: boolean }): ResourceKind {
  const { group, version, resource, kind, namespaced } = wanted;
  return { group, version, resource, kind, namespaced, verbs: ['create', 'get', 'list', 'update', 'patch', 'delete'], subresources: [] };
}
