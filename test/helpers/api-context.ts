import type { Authenticator, Principal } from '../../src/api/auth/authenticator.ts';
import type { Subjects, Tenant } from '../../src/api/auth/authorizer.ts';
import { createRoleAuthorizer } from '../../src/api/auth/role-authorizer.ts';
import type { Role } from '../../src/api/auth/roles.ts';
import type { ApiOptions } from '../../src/api/server.ts';
import { createMemoryService, type MemoryService } from './api-memory-service.ts';
import { testRuntime } from './runtime.ts';

/** Users of the tests; their tokens are `token-of-<name>`. */
export const people: Readonly<Record<string, Principal>> = {
  viewer: { name: 'viewer', groups: [] },
  operator: { name: 'operator', groups: [] },
  restorer: { name: 'restorer', groups: [] },
  admin: { name: 'admin', groups: ['operators', 'restorers'] },
  tenant: { name: 'tenant', groups: ['restorers', 'operators', 'team-a'] },
  nobody: { name: 'nobody', groups: [] },
};

export const roleMap: Readonly<Record<Role, Subjects>> = {
  viewer: { users: ['viewer'] },
  operator: { users: ['operator'], groups: ['operators'] },
  restorer: { users: ['restorer'], groups: ['restorers'] },
};
export const tenants: readonly Tenant[] = [{ groups: ['team-a'], namespaces: ['team-a', 'team-a-*'] }];

export const tokenOf = (name: string) => `token-of-${name}`;
export const as = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` });

/** Knows the people above; `token-expired` is one that was theirs. */
export const knownTokens: Authenticator = {
  authenticate: async token => {
    if (token === 'token-expired') return { rejected: 'the token has expired' };
    const principal = Object.values(people).find(({ name }) => token === tokenOf(name));
    return principal === undefined ? undefined : { principal };
  },
};

/** What an API server takes, with the service in memory. */
export function apiOptions(options: Partial<ApiOptions> & { readonly service?: MemoryService } = {}) {
  const service = options.service ?? createMemoryService();
  return {
    authenticator: knownTokens,
    authorizer: createRoleAuthorizer(() => ({ roles: roleMap, tenants })),
    runtime: testRuntime,
    ...options,
    service,
  };
}
