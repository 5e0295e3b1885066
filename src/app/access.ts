import { type Authenticator, firstOf } from '../api/auth/authenticator.ts';
import type { Authorizer, Tenant } from '../api/auth/authorizer.ts';
import type { RoleRules } from '../api/auth/role-authorizer.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { Config } from '../config/load.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';

export interface AccessOptions {
  readonly cluster: ClusterApi;
  readonly runtime: Runtime;
  readonly onWarning: (text: string) => void;
  /** As it is now: who may do what changes with the file. */
  readonly config: () => Config;
}

/** Every way to log in that is configured. CONFIG_INVALID when there is none, or a file of it cannot be read. */
export async function createAuthenticator({ cluster, runtime, onWarning, config }: AccessOptions): Promise<Authenticator> {
  const { tokenReview, oidc, tokensFile } = config().settings.service?.auth ?? {};
  const ways: Authenticator[] = [];
  if (tokensFile !== undefined) {
    const { createStaticTokens } = await import('../api/auth/static-tokens.ts');
    ways.push(await createStaticTokens({ path: tokensFile, runtime, onWarning }));
  }
  if (oidc?.issuer !== undefined && oidc.audience !== undefined) {
    const { createOidcVerifier } = await import('../api/auth/oidc.ts');
    const { issuer, audience, ...rest } = oidc;
    const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    ways.push(createOidcVerifier({ issuer, audience, ...given, runtime }));
  }
  const audiences = tokenReview?.audiences ?? [];
  if (audiences.length > 0) {
    const { createTokenReviewer } = await import('../api/auth/token-review.ts');
    ways.push(createTokenReviewer({ cluster, audiences, runtime }));
  }
  if (ways.length > 0) return firstOf(ways);
  throw new HoldfastError('CONFIG_INVALID', 'there is no way to log in: service.auth has neither tokenReview, nor oidc, nor tokensFile', {
    hint: 'set service.auth.tokenReview.audiences, service.auth.oidc or service.auth.tokensFile',
  });
}

export async function createAuthorizer({ cluster, runtime, config }: AccessOptions): Promise<Authorizer> {
  const { mode } = config().settings.service?.authorization ?? {};
  const tenants = (): Tenant[] =>
    Object.values(config().settings.service?.authorization?.tenants ?? {}).map(({ users = [], groups = [], namespaces }) => ({
      ...{ users, groups, namespaces },
    }));
  if (mode === 'roles') {
    const { createRoleAuthorizer } = await import('../api/auth/role-authorizer.ts');
    const rules = (): RoleRules => ({ roles: config().settings.service?.authorization?.roles ?? {}, tenants: tenants() });
    const file = config().settings.service?.authorization?.rolesFile;
    if (file === undefined) return createRoleAuthorizer(rules);
    const { readRoles } = await import('../config/roles-file.ts');
    const roles = await readRoles(file);
    return createRoleAuthorizer(() => ({ ...rules(), roles }));
  }
  const { createAccessReviewer } = await import('../api/auth/access-review.ts');
  return createAccessReviewer({ cluster, tenants, runtime });
}
