import { afterEach, beforeEach } from 'vitest';
import type { Authenticator, Principal } from '../../src/api/auth/authenticator.ts';
import type { Subjects, Tenant } from '../../src/api/auth/authorizer.ts';
import { createRoleAuthorizer } from '../../src/api/auth/role-authorizer.ts';
import type { Role } from '../../src/api/auth/roles.ts';
import { type ApiOptions, type ApiServer, createApiServer } from '../../src/api/server.ts';
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

export interface TestApi {
  readonly service: MemoryService;
  readonly app: ApiServer['app'];
  /** One request as somebody, with a JSON body where there is one. */
  ask(
    name: string,
    method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'PATCH' | 'OPTIONS',
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Asked>;
}

export interface Asked {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A server for the tests of the calling file or `describe`, asked without a network. A new one for each test. */
export function withApi(options: () => Partial<ApiOptions> & { readonly service?: MemoryService } = () => ({})): () => TestApi {
  let current: { readonly api: TestApi; readonly server: ApiServer } | undefined;
  beforeEach(async () => {
    const all = apiOptions(options());
    const server = await createApiServer(all);
    const ask: TestApi['ask'] = async (name, method, path, body, headers = {}) => {
      const payload = body === undefined ? {} : { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
      const url = path.startsWith('/') ? path : `/api/v1/${path}`;
      const answer = await server.app.inject({ ...payload, method, url, headers: { ...as(name), ...payload.headers, ...headers } });
      const json = /json/.test(String(answer.headers['content-type'] ?? '')) && answer.body !== '';
      return { status: answer.statusCode, headers: answer.headers, text: answer.body, body: json ? answer.json() : undefined };
    };
    current = { server, api: { service: all.service, app: server.app, ask } };
  });
  afterEach(() => current?.server.close());
  return () => {
    if (current === undefined) throw new Error('the server is there only while tests run');
    return current.api;
  };
}
