import type { Access, ApiResource, ApiVerb } from '../endpoint.ts';

export const roles = ['viewer', 'operator', 'restorer'] as const;
export type Role = (typeof roles)[number];

type Rights = Partial<Readonly<Record<ApiResource, readonly ApiVerb[]>>>;

const reading = {
  backups: ['list', 'get'],
  restores: ['list', 'get'],
  operations: ['list', 'get'],
  policies: ['list', 'get'],
  objectives: ['list'],
  retention: ['get'],
  holds: ['list'],
  ledger: ['list'],
  events: ['watch'],
} as const satisfies Rights;

/** What each role may do. Who may take and delete backups may not bring them back, and the other way round; some may be given both. */
export const roleRights = {
  viewer: reading,
  operator: {
    ...reading,
    backups: ['list', 'get', 'create', 'delete'],
    verifications: ['create'],
    operations: ['list', 'get', 'delete'],
    retention: ['get', 'create'],
    holds: ['list', 'update', 'delete'],
  },
  restorer: {
    ...reading,
    restores: ['list', 'get', 'plan', 'create', 'delete'],
    validations: ['create'],
    operations: ['list', 'get', 'delete'],
  },
} as const satisfies Record<Role, Rights>;

export function roleAllows(role: Role, { resource, verb }: Access): boolean {
  const rights: Rights = roleRights[role];
  return rights[resource]?.includes(verb) ?? false;
}
