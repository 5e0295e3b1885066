import * as z from 'zod';
import type { ClusterApi } from '../../cluster/cluster-api.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { scopeContains } from '../../domain/namespace-scope.ts';
import type { ResourceKind } from '../../domain/resource.ts';
import type { Runtime } from '../../domain/runtime.ts';
import type { Principal } from './authenticator.ts';
import { type Authorizer, allowedWithin, type Decision, type Tenant, tenancyOf } from './authorizer.ts';
import { createShortCache } from './short-cache.ts';

/** The group that Roles and ClusterRoles name. */
export const apiGroup = 'holdfast.dev';

export const subjectAccessReviews: ResourceKind = {
  group: 'authorization.k8s.io',
  version: 'v1',
  resource: 'subjectaccessreviews',
  kind: 'SubjectAccessReview',
  namespaced: false,
  verbs: ['create'],
  subresources: [],
};

const answer = z.object({ status: z.object({ allowed: z.boolean().default(false) }).default({ allowed: false }) });

interface Attributes {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  readonly namespace?: string;
  readonly name?: string;
}

export interface AccessReviewOptions {
  readonly cluster: Pick<ClusterApi, 'create'>;
  /** Asked every time, so that they may change. */
  readonly tenants: () => readonly Tenant[];
  readonly runtime: Pick<Runtime, 'now'>;
}

const cacheMs = 10_000;
const mostCached = 10_000;
const timeoutMs = 10_000;

/**
 * Lets the cluster’s own RBAC decide, by SubjectAccessReview. Who has no right in the whole cluster is asked for namespace by namespace: those
 * that the request names, else the service account’s own and those that its tenants are configured to. An answer counts for ten seconds.
 */
export function createAccessReviewer({ cluster, tenants, runtime }: AccessReviewOptions): Authorizer {
  const cache = createShortCache<boolean>({ ttlMs: cacheMs, most: mostCached, now: runtime.now });
  const review = async (principal: Principal, resourceAttributes: Attributes): Promise<boolean> => {
    const { name: user, groups, uid, extra } = principal;
    const spec = { user, groups, ...(uid !== undefined && { uid }), ...(extra !== undefined && { extra }), resourceAttributes };
    const body = JSON.stringify({ apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec });
    return cache.find(sha256Hex(body), async () => {
      const text = await cluster.create(subjectAccessReviews, '', body, { signal: AbortSignal.timeout(timeoutMs) });
      return answer.parse(JSON.parse(text)).status.allowed;
    });
  };
  const allowedIn = async (principal: Principal, attributes: Attributes, namespaces: readonly string[]) => {
    const verdicts = await Promise.all(namespaces.map(namespace => review(principal, { ...attributes, namespace })));
    return namespaces.filter((_namespace, index) => verdicts[index]);
  };
  return {
    decide: async (principal, { resource, verb }, asked): Promise<Decision> => {
      const attributes = { group: apiGroup, resource, verb };
      const missing = `${principal.name} may not ${verb} ${resource}.${apiGroup}`;
      const tenancy = tenancyOf(tenants(), principal);
      if (await review(principal, attributes)) return allowedWithin(tenancy, asked, missing);
      const candidates = asked.length > 0 ? asked : likelyNamespaces(principal, tenancy ?? []);
      const granted = await allowedIn(principal, attributes, candidates);
      const own = tenancy === undefined ? granted : granted.filter(namespace => scopeContains(tenancy, namespace));
      return allowedWithin(own, asked, missing);
    },
    mayUseSecret: (principal, secret) => review(principal, { group: '', resource: 'secrets', verb: 'get', ...secret }),
  };
}

/** Globs cannot be asked for. */
function likelyNamespaces(principal: Principal, tenancy: readonly string[]): string[] {
  const own = /^system:serviceaccount:([^:]+):/.exec(principal.name)?.[1];
  return [...new Set([...(own === undefined ? [] : [own]), ...tenancy.filter(name => !/[*?]/.test(name))])];
}
