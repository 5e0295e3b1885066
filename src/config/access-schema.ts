import { z } from 'zod';
import { key, list, oneOf, path, text, textOrNone, url } from './values.ts';

/** How callers of the API prove who they are. Several ways may be on at once. */
export const AuthSettings = z
  .strictObject(
    {
      tokenReview: z
        .strictObject(
          { audiences: list.describe('Kubernetes tokens must be made for one of these audiences; an empty list turns this way off.') },
          'must be a map',
        )
        .partial(),
      oidc: z
        .strictObject(
          {
            issuer: url.describe('Issuer of JSON web tokens; its keys are found by OpenID Connect discovery.'),
            audience: text.describe('The `aud` that tokens must have.'),
            usernameClaim: text.describe('Claim that names the user.'),
            usernamePrefix: textOrNone.describe(
              'Put before names, so that an issuer cannot make up the cluster’s own users; `<issuer>#` unless told.',
            ),
            groupsClaim: text.describe('Claim that lists the user’s groups.'),
            groupsPrefix: textOrNone.describe('Put before groups; `<issuer>#` unless told.'),
            jwksFile: path.describe('Public keys of the issuer as a JWKS file, instead of discovery.'),
          },
          'must be a map',
        )
        .partial(),
      tokensFile: path.describe(
        'File with static tokens, a line each: `token,user,group1|group2`, or `sha256:` and a digest in place of the token.',
      ),
    },
    'must be a map',
  )
  .partial();

export const apiRoles = ['viewer', 'operator', 'restorer'] as const;
export type ApiRole = (typeof apiRoles)[number];

const subjects = {
  users: list.describe('User names, as authentication gives them.'),
  groups: list.describe('Groups, as authentication gives them.'),
};

/** Who has which role: of `service.authorization.roles`, and the content of its `rolesFile`. */
export const RoleMap = z.partialRecord(
  oneOf(apiRoles),
  z.strictObject(subjects, 'must be a map of users and groups').partial(),
  'must be a map of roles to users and groups',
);
export type RoleMap = z.infer<typeof RoleMap>;

/** Who is restricted to which namespaces. */
export const TenantMap = z.record(
  key,
  z
    .strictObject(
      { ...subjects, namespaces: list.describe('The namespaces, as globs, that these callers are restricted to.') },
      'must be a map of users, groups and namespaces',
    )
    .partial({ users: true, groups: true })
    .superRefine(({ users = [], groups = [], namespaces }, context) => {
      if (users.length + groups.length === 0) context.addIssue({ code: 'custom', message: 'needs users or groups' });
      if (namespaces.length === 0) context.addIssue({ code: 'custom', message: 'must not be empty', path: ['namespaces'] });
    }),
  'must be a map of tenants',
);
export type TenantMap = z.infer<typeof TenantMap>;

/** What callers of the API may do. */
export const AuthorizationSettings = z
  .strictObject(
    {
      mode: oneOf(['subjectAccessReview', 'roles']).describe(
        'Ask the cluster’s RBAC for verbs on `holdfast.dev`, or go by the roles below.',
      ),
      rolesFile: path.describe('File with the map of roles, instead of `roles`.'),
      roles: RoleMap.describe('Who is viewer, operator or restorer, by user name and group.'),
      tenants: TenantMap.describe('Callers that see and touch some namespaces only.'),
    },
    'must be a map',
  )
  .partial();
