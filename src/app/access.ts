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
  /** As it is now: who may do what changes with the file. */
  readonly service: () => ServiceConfig;
}

/** Every way to log in that is configured; never none. CONFIG_INVALID when a file of it cannot be read. */
export async function createAuthenticator({ cluster, runtime, onWarning, service }: AccessOptions): Promise<Authenticator> {
  const { tokenReview, oidc, tokensFile } = service().auth;
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
  const { mode, rolesFile } = service().authorization;
  const tenants = (): Tenant[] =>
    Object.values(service().authorization.tenants).map(({ users = [], groups = [], namespaces }) => ({ users, groups, namespaces }));
  if (mode === 'subjectAccessReview') {
    const { createAccessReviewer } = await import('../api/auth/access-review.ts');
    return createAccessReviewer({ cluster, tenants, runtime });
  }
  const { createRoleAuthorizer } = await import('../api/auth/role-authorizer.ts');
  const { readRoles } = await import('../config/roles-file.ts');
  const fromFile = rolesFile === undefined ? undefined : await readRoles(rolesFile);
  return createRoleAuthorizer((): RoleRules => ({ roles: service().authorization.roles ?? fromFile ?? {}, tenants: tenants() }));
}
