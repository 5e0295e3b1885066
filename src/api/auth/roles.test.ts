import { describe, expect, it } from 'vitest';
import { people, roleMap, tenants } from '../../../test/helpers/api-context.ts';
import { apiResources, apiVerbs } from '../endpoint.ts';
import { allEndpoints } from '../methods.ts';
import { createRoleAuthorizer } from './role-authorizer.ts';
import { roleAllows, roles } from './roles.ts';

const signal = new AbortController().signal;
const all = apiResources.flatMap(resource => apiVerbs.map(verb => ({ resource, verb })));

describe('roles', () => {
  it('give rights only to what the API has', () => {
    const used = new Set(allEndpoints().map(({ access }) => JSON.stringify(access)));
    for (const access of all.filter(access => roles.some(role => roleAllows(role, access)))) expect(used).toContain(JSON.stringify(access));
  });

  it('between them give every right that there is', () => {
    for (const { access, id } of allEndpoints()) {
      if (access !== undefined)
        expect(
          roles.some(role => roleAllows(role, access)),
          id,
        ).toBe(true);
    }
  });

  it('let a viewer change nothing, an operator restore nothing, a restorer delete no backup', () => {
    for (const verb of ['create', 'plan', 'update', 'delete'] as const) {
      for (const resource of apiResources) expect(roleAllows('viewer', { resource, verb })).toBe(false);
    }
    expect(roleAllows('operator', { resource: 'restores', verb: 'create' })).toBe(false);
    expect(roleAllows('operator', { resource: 'restores', verb: 'plan' })).toBe(false);
    for (const resource of ['retention', 'holds', 'backups'] as const) {
      for (const verb of ['create', 'update', 'delete'] as const) expect(roleAllows('restorer', { resource, verb })).toBe(false);
    }
  });

  it('are given by user and group, and kept to the namespaces of a tenant', async () => {
    const authorizer = createRoleAuthorizer(() => ({ roles: roleMap, tenants }));
    const decide = (name: string, asked: string[] = []) =>
      authorizer.decide(people[name]!, { resource: 'restores', verb: 'create' }, asked, signal);
    expect(await decide('restorer')).toEqual({ allowed: true });
    expect(await decide('admin')).toEqual({ allowed: true });
    expect(await decide('viewer')).toMatchObject({ allowed: false });
    expect(await decide('tenant')).toEqual({ allowed: true, namespaces: ['team-a', 'team-a-*'] });
    expect(await decide('tenant', ['team-a-1'])).toEqual({ allowed: true, namespaces: ['team-a-1'] });
    expect(await decide('tenant', ['team-b'])).toMatchObject({ allowed: false });
  });

  it('change with the configuration', async () => {
    let rules = { roles: {}, tenants: [] } as Parameters<typeof createRoleAuthorizer>[0] extends () => infer R ? R : never;
    const authorizer = createRoleAuthorizer(() => rules);
    const decide = () => authorizer.decide(people['viewer']!, { resource: 'backups', verb: 'list' }, [], signal);
    expect(await decide()).toMatchObject({ allowed: false });
    rules = { roles: roleMap, tenants: [] };
    expect(await decide()).toEqual({ allowed: true });
  });
});
