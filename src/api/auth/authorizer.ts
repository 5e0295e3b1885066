import { type NamespaceScope, scopeContains } from '../../domain/namespace-scope.ts';
import type { Access } from '../endpoint.ts';
import type { Principal } from './authenticator.ts';

/** `namespaces`: allowed, but within these only; never empty. */
export type Decision =
  | { readonly allowed: true; readonly namespaces?: NamespaceScope }
  | { readonly allowed: false; readonly reason: string };

export interface Authorizer {
  /**
   * May this be done, and where? `asked`: the namespaces that the request restricts itself to, none for no restriction. CLUSTER_ codes where
   * nobody can tell now.
   */
  decide(principal: Principal, access: Access, asked: readonly string[], signal: AbortSignal): Promise<Decision>;
  /** May they have this Secret of the cluster used for them? */
  mayUseSecret(principal: Principal, secret: { readonly namespace: string; readonly name: string }, signal: AbortSignal): Promise<boolean>;
}

/** People, by the names and groups that their tokens give them. */
export interface Subjects {
  readonly users?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
}

/** People who see and touch some namespaces only, whatever else they may. */
export interface Tenant extends Subjects {
  readonly namespaces: NamespaceScope;
}

export function concerns({ users = [], groups = [] }: Subjects, principal: Principal): boolean {
  return users.includes(principal.name) || groups.some(group => principal.groups.includes(group));
}

/** The namespaces of all tenants that this is one of; undefined where it is none. */
export function tenancyOf(tenants: readonly Tenant[], principal: Principal): NamespaceScope | undefined {
  const own = tenants.filter(tenant => concerns(tenant, principal));
  return own.length === 0 ? undefined : [...new Set(own.flatMap(tenant => tenant.namespaces))];
}

/** Allowed, and kept to the scope, or to those of its namespaces that the request asked for. `missing` is said where that is nothing. */
export function allowedWithin(scope: NamespaceScope | undefined, asked: readonly string[], missing: string): Decision {
  if (scope === undefined) return asked.length === 0 ? { allowed: true } : { allowed: true, namespaces: asked };
  const foreign = asked.find(namespace => !scopeContains(scope, namespace));
  if (foreign !== undefined) return { allowed: false, reason: `${missing} in namespace ${foreign}` };
  if (scope.length === 0) return { allowed: false, reason: missing };
  return { allowed: true, namespaces: asked.length > 0 ? asked : scope };
}
