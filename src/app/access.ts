import { type Authenticator, firstOf } from '../api/auth/authenticator.ts';
import type { Authorizer, Tenant } from '../api/auth/authorizer.ts';
import type { RoleRules } from '../api/auth/role-authorizer.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { ServiceConfig } from '../config/service.ts';
import type { Runtime } from '../domain/runtime.ts';

export interface AccessOptions {
  readonly cluster: ClusterApi;
  readonly runtime: Runtime;
  readonly onWarning: (text: string) => void;
  readonly service: Pick<ServiceConfig, 'auth' | 'authorization'>;
}

/** Every way to log in that is configured; never none. CONFIG_INVALID when a file of it cannot be read. */
export async function createAuthenticator({ cluster, runtime, onWarning, service }: AccessOptions): Promise<Authenticator> {
  const { tokenReview, oidc, tokensFile } = service.auth;
  const ways: Authenticator[] = [];
  if (tokensFile !== undefined) {
    const { createStaticTokens } = await import('../api/auth/static-tokens.ts');
    ways.push(await createStaticTokens({ path: tokensFile, runtime, onWarning }));
  }
  if (oidc !== undefined) {
    const { createOidcVerifier } = await import('../api/auth/oidc.ts');
    ways.push(createOidcVerifier({ ...oidc, runtime }));
  }
  if (tokenReview !== undefined) {
    const { createTokenReviewer } = await import('../api/auth/token-review.ts');
    ways.push(createTokenReviewer({ cluster, audiences: tokenReview.audiences, runtime }));
  }
  return firstOf(ways);
}

export async function createAuthorizer({ cluster, runtime, service }: AccessOptions): Promise<Authorizer> {
  const { mode, roles, rolesFile, tenants: named } = service.authorization;
  const tenants = Object.values(named).map(({ users = [], groups = [], namespaces }): Tenant => ({ users, groups, namespaces }));
  if (mode === 'subjectAccessReview') {
    const { createAccessReviewer } = await import('../api/auth/access-review.ts');
    return createAccessReviewer({ cluster, tenants: () => tenants, runtime });
  }
  const { createRoleAuthorizer } = await import('../api/auth/role-authorizer.ts');
  const { readRoles } = await import('../config/roles-file.ts');
  const fromFile = rolesFile === undefined ? undefined : await readRoles(rolesFile);
  const rules: RoleRules = { roles: roles ?? fromFile ?? {}, tenants };
  return createRoleAuthorizer(() => rules);
}
