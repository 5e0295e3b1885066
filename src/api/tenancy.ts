import { ownCluster } from '../domain/cluster-choice.ts';
import { HoldfastError } from '../domain/errors.ts';
import { labelMatcher } from '../domain/label-selector.ts';
import { type NamespaceScope, scopeContains } from '../domain/namespace-scope.ts';
import type { Operation } from '../domain/operation.ts';
import { everything, type Selection } from '../domain/selection.ts';
import type { IdentitySource } from './identity.ts';
import type { SelectionRequest } from './schemas/common.ts';
import type { Caller } from './service.ts';

/**
 * The selection that a request means. Callers who are restricted to namespaces must name some of theirs, and get no cluster-scoped
 * object: REQUEST_FORBIDDEN otherwise. USAGE for a label selector that cannot be read.
 */
export function selectionFor(caller: Caller, given: SelectionRequest | undefined): Selection {
  const selection: Selection = { ...everything, ...given };
  labelMatcher(selection.labelSelector);
  if (caller.namespaces === undefined) return selection;
  if (selection.includeNamespaces.length === 0) {
    throw forbidden(`name the namespaces: selection.includeNamespaces must be among ${caller.namespaces.join(', ')}`);
  }
  requireOwn(caller, selection.includeNamespaces, 'selection.includeNamespaces');
  if (selection.clusterScoped === 'always')
    throw forbidden('selection.clusterScoped must not be always for callers restricted to namespaces');
  // With `auto` a restore would write to living Namespaces; those that are missing are made anyway.
  return { ...selection, clusterScoped: 'never' };
}

/** `selectionFor` a backup: callers who are restricted to namespaces get these themselves along, unless they ask for none. */
export function takenFor(caller: Caller, given: SelectionRequest | undefined): Selection {
  const selection = selectionFor(caller, given);
  if (caller.namespaces === undefined || given?.clusterScoped === 'never') return selection;
  return { ...selection, clusterScoped: 'auto' };
}

/** A mapping may neither begin nor end outside the caller’s namespaces, nor make one of two. REQUEST_FORBIDDEN, REQUEST_CONTRADICTORY. */
export function mappingFor(caller: Caller, given: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  const mapping = given ?? {};
  requireOwn(caller, Object.keys(mapping), 'namespaceMapping');
  const targets = Object.values(mapping);
  requireOwn(caller, targets, 'namespaceMapping');
  const twice = targets.find((target, index) => targets.indexOf(target) !== index);
  if (twice !== undefined) throw new HoldfastError('REQUEST_CONTRADICTORY', `namespaceMapping puts two namespaces into ${twice}`);
  return mapping;
}

/** A Secret elsewhere is not the caller’s to use, and a file of the service is nobody’s who is restricted to namespaces. REQUEST_FORBIDDEN. */
export function requireOwnIdentity(caller: Caller, identity: IdentitySource | undefined): void {
  if (caller.namespaces === undefined || identity === undefined) return;
  if (identity.from === 'file') throw forbidden('identity.file is not for callers restricted to namespaces; name a Secret of yours');
  if (identity.from === 'secret') requireOwn(caller, [identity.namespace], 'identity.secret.namespace');
}

/** Whose sets are meant. Which clusters there are is not for callers who are restricted to namespaces: REQUEST_FORBIDDEN for others than the own one. */
export function clusterFor({ namespaces }: Caller, given: string | undefined): { readonly cluster?: string } {
  if (given === undefined) return {};
  if (namespaces !== undefined && given !== ownCluster) throw forbidden(`cluster: callers restricted to namespaces may say ${ownCluster}`);
  return { cluster: given };
}

/** What is looked for is looked for within the caller’s namespaces. */
export function scopeOf({ namespaces }: Caller): { readonly within?: NamespaceScope } {
  return namespaces === undefined ? {} : { within: namespaces };
}

/** REQUEST_FORBIDDEN for a namespace that is not the caller’s. */
export function requireOwnNamespaces(caller: Caller, names: readonly string[], field: string): void {
  requireOwn(caller, names, field);
}

/** Is this operation one of the caller’s own? Those of the whole cluster are not, to callers restricted to namespaces. */
export function seesOperation(caller: Caller, { request }: Pick<Operation, 'request'>): boolean {
  const own = caller.namespaces;
  if (own === undefined) return true;
  const { namespaces = [] } = request;
  return namespaces.length > 0 && namespaces.every(namespace => scopeContains(own, namespace));
}

function requireOwn({ namespaces }: Caller, names: readonly string[], field: string): void {
  if (namespaces === undefined) return;
  const foreign = names.find(name => !scopeContains(namespaces, name));
  if (foreign !== undefined) throw forbidden(`${field}: ${foreign} is not among ${namespaces.join(', ')}`);
}

function forbidden(message: string): HoldfastError {
  return new HoldfastError('REQUEST_FORBIDDEN', message);
}
