import { type Authorizer, allowedWithin, concerns, type Subjects, type Tenant, tenancyOf } from './authorizer.ts';
import { type Role, roleAllows, roles } from './roles.ts';

export interface RoleRules {
  readonly roles: Readonly<Partial<Record<Role, Subjects | undefined>>>;
  readonly tenants: readonly Tenant[];
}

/** Decides by the roles of the configuration alone. `rules` is asked every time, so that they may change. */
export function createRoleAuthorizer(rules: () => RoleRules): Authorizer {
  return {
    decide: async (principal, access, asked) => {
      const { roles: given, tenants } = rules();
      const allowed = roles.some(role => concerns(given[role] ?? {}, principal) && roleAllows(role, access));
      const missing = `no role of ${principal.name} allows ${access.verb} on ${access.resource}`;
      if (!allowed) return { allowed: false, reason: missing };
      return allowedWithin(tenancyOf(tenants, principal), asked, missing);
    },
    // Whoever is trusted to restore is trusted with the identities for it; tenants are kept to the Secrets of their own namespaces.
    mayUseSecret: async () => true,
  };
}
