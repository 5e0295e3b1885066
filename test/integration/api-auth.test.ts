import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAccessReviewer } from '../../src/api/auth/access-review.ts';
import { createTokenReviewer } from '../../src/api/auth/token-review.ts';
import { type ApiServer, createApiServer } from '../../src/api/server.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { untilAllowed, type WantedRight } from '../cluster/allowed.ts';
import { apiJson, apiRequest } from '../cluster/api-request.ts';
import { serviceAccountKeyFile } from '../cluster/api-server.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { createMemoryService, type MemoryService } from '../helpers/api-memory-service.ts';
import { testRuntime } from '../helpers/runtime.ts';

const audience = 'holdfast';
const cluster = withCluster({ users: [{ name: 'alice', token: 'token-of-alice-in-the-token-file' }] });
const rbac = '/apis/rbac.authorization.k8s.io/v1';
let reviews: ClusterApi;
let server: ApiServer;
let service: MemoryService;
/** Answers of the cluster are remembered for ten seconds of this clock. */
let ahead = 0;
const runtime = { ...testRuntime, now: () => new Date(Date.now() + ahead) };
const later = () => {
  ahead += 10_001;
};

beforeAll(async () => {
  for (const name of ['team-a', 'team-b']) await create('/api/v1/namespaces', { metadata: { name } });
  // What the service itself needs, and nothing more.
  await account('default', 'holdfast');
  const delegator = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:auth-delegator' };
  await bind('', 'holdfast-delegator', delegator, 'default', 'holdfast');
  reviews = await connectTo(cluster(), await token('default', 'holdfast'));
});
afterAll(() => reviews?.close());

beforeAll(async () => {
  const deps = { cluster: reviews, runtime };
  service = createMemoryService();
  server = await createApiServer({
    service,
    authenticator: createTokenReviewer({ ...deps, audiences: [audience] }),
    authorizer: createAccessReviewer({
      ...deps,
      tenants: () => [{ users: ['system:serviceaccount:team-b:shared'], namespaces: ['team-a', 'team-b'] }],
    }),
    runtime: testRuntime,
  });
});
afterAll(() => server?.close());
afterEach(later);

function create(path: string, object: object): Promise<unknown> {
  return apiJson(cluster(), path, { method: 'POST', body: object });
}

const account = (namespace: string, name: string) => create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });

/** A token of a service account, for an audience; for the API server's own where none is named. */
async function token(namespace: string, name: string, audiences?: string[]): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const answer = await apiJson<{ status: { token: string } }>(cluster(), path, {
    method: 'POST',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 600, ...(audiences && { audiences }) },
    },
  });
  return answer.status.token;
}

interface RoleRef {
  readonly apiGroup: string;
  readonly kind: string;
  readonly name: string;
}

/** What tells that a role has come into force; of others, that backups may be listed. */
const rightsOf: Readonly<Record<string, WantedRight>> = {
  'system:auth-delegator': { group: 'authorization.k8s.io', resource: 'subjectaccessreviews', verb: 'create' },
  'identity-reader': { resource: 'secrets', name: 'identity', verb: 'get' },
};

/** In a namespace, or in the whole cluster where it is empty; resolves when the API server, which hears of it a moment later, goes by it. */
async function bind(namespace: string, name: string, roleRef: RoleRef, accountNamespace: string, accountName: string): Promise<void> {
  const path = namespace === '' ? `${rbac}/clusterrolebindings` : `${rbac}/namespaces/${namespace}/rolebindings`;
  await create(path, {
    metadata: { name },
    roleRef,
    subjects: [{ kind: 'ServiceAccount', namespace: accountNamespace, name: accountName }],
  });
  const wanted = rightsOf[roleRef.name] ?? { group: 'holdfast.dev', resource: 'backups', verb: 'list' };
  const asker = { user: `system:serviceaccount:${accountNamespace}:${accountName}` };
  await untilAllowed(cluster(), asker, { ...wanted, ...(namespace !== '' && { namespace }) });
}

async function clusterRole(name: string, rules: readonly { resources: string[]; verbs: string[] }[]): Promise<RoleRef> {
  await create(`${rbac}/clusterroles`, { metadata: { name }, rules: rules.map(rule => ({ apiGroups: ['holdfast.dev'], ...rule })) });
  return { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
}

async function ask(bearer: string, method: 'GET' | 'POST', path: string, body?: object, headers: Record<string, string> = {}) {
  const answer = await server.app.inject({
    method,
    url: `/api/v1/${path}`,
    headers: { authorization: `Bearer ${bearer}`, ...headers },
    ...(body !== undefined && { payload: body }),
  });
  return { status: answer.statusCode, body: answer.json(), challenge: answer.headers['www-authenticate'] };
}

describe('a token of the real cluster', () => {
  it('is accepted when it was made for the service', async () => {
    await account('team-a', 'caller');
    const answer = await ask(await token('team-a', 'caller', [audience, 'other']), 'GET', 'version');
    expect(answer).toMatchObject({ status: 200, body: { user: 'system:serviceaccount:team-a:caller' } });
  });

  it('is refused when it was made for somebody else, the API server included', async () => {
    for (const audiences of [undefined, ['another-service']]) {
      const answer = await ask(await token('team-a', 'caller', audiences), 'GET', 'version');
      expect(answer).toMatchObject({ status: 401, body: { code: 'REQUEST_UNAUTHENTICATED' } });
      expect(answer.challenge).toContain('error="invalid_token"');
    }
  });

  it('is refused when it is bound to no audience at all, or forged', async () => {
    const good = await token('team-a', 'caller', [audience]);
    for (const bad of ['token-of-alice-in-the-token-file', `${good.slice(0, -4)}AAAA`, 'x']) {
      expect((await ask(bad, 'GET', 'version')).status).toBe(401);
    }
  });

  it('is refused when it has expired', async context => {
    if (cluster().kind !== 'native') context.skip('the key by which this cluster signs its tokens is not to be had');
    const good = await token('team-a', 'caller', [audience]);
    const key = await readFile(serviceAccountKeyFile(cluster().dir), 'utf8');
    const claims = JSON.parse(Buffer.from(good.split('.')[1]!, 'base64url').toString('utf8'));
    const header = JSON.parse(Buffer.from(good.split('.')[0]!, 'base64url').toString('utf8'));
    const signed = (exp: number) => new SignJWT({ ...claims, exp }).setProtectedHeader(header).sign(createPrivateKey(key));
    const now = Math.floor(Date.now() / 1000);
    expect((await ask(await signed(now + 60), 'GET', 'version')).status).toBe(200);
    expect((await ask(await signed(now - 60), 'GET', 'version')).status).toBe(401);
  });

  it('is refused ten seconds after its account is gone', async () => {
    await account('team-a', 'leaver');
    const bearer = await token('team-a', 'leaver', [audience]);
    expect((await ask(bearer, 'GET', 'version')).status).toBe(200);
    await apiJson(cluster(), '/api/v1/namespaces/team-a/serviceaccounts/leaver', { method: 'DELETE' });
    later();
    // The API server itself remembers a token for ten seconds of its own clock.
    const statusLater = async () => {
      later();
      return (await ask(bearer, 'GET', 'version')).status;
    };
    await expect.poll(statusLater, { timeout: 90_000, interval: 500 }).toBe(401);
  });
});

describe('rights of the real cluster', () => {
  it('are those on holdfast.dev, verb by verb', async () => {
    await account('team-a', 'reader');
    const bearer = await token('team-a', 'reader', [audience]);
    expect(await ask(bearer, 'GET', 'backups')).toMatchObject({ status: 403, body: { code: 'REQUEST_FORBIDDEN' } });
    const role = await clusterRole('holdfast-reader', [{ resources: ['backups', 'policies'], verbs: ['get', 'list'] }]);
    await bind('', 'reader', role, 'team-a', 'reader');
    later();
    expect((await ask(bearer, 'GET', 'backups')).body.items).toMatchObject([{ objects: 2 }, {}]);
    expect((await ask(bearer, 'GET', 'policies')).status).toBe(200);
    expect((await ask(bearer, 'POST', 'backups', {})).status).toBe(403);
    expect((await ask(bearer, 'GET', 'operations')).status).toBe(403);
    expect(service.refusals.map(({ request }) => request)).toContain('POST /api/v1/backups');
  });

  it('in one namespace keep a tenant there', async () => {
    await account('team-a', 'tenant');
    const bearer = await token('team-a', 'tenant', [audience]);
    const role = await clusterRole('holdfast-restorer', [
      { resources: ['backups', 'restores', 'operations', 'ledger'], verbs: ['get', 'list', 'create', 'plan', 'delete'] },
    ]);
    await bind('team-a', 'tenant', role, 'team-a', 'tenant');
    const restore = (namespace: string, more: object = {}) =>
      ask(bearer, 'POST', 'restores', { set: 'latest', selection: { includeNamespaces: [namespace] }, ...more });
    expect(await restore('team-a')).toMatchObject({ status: 202, body: { namespaces: ['team-a'] } });
    expect((await restore('team-b')).status).toBe(403);
    expect((await restore('team-a', { namespaceMapping: { 'team-a': 'team-b' } })).status).toBe(403);
    expect((await ask(bearer, 'POST', 'restores', { set: 'latest' })).status).toBe(403);
    expect((await ask(bearer, 'GET', 'ledger')).status).toBe(403);
    expect((await ask(bearer, 'GET', 'backups')).body.items[0]).not.toHaveProperty('objects');
    expect((await ask(bearer, 'GET', 'backups', undefined, { 'holdfast-namespaces': 'team-b' })).status).toBe(403);
  });

  it('are looked for in the namespaces that a tenant is configured to, and in no others', async () => {
    await account('team-b', 'shared');
    const bearer = await token('team-b', 'shared', [audience]);
    const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'holdfast-restorer' };
    await bind('team-a', 'shared', role, 'team-b', 'shared');
    const restore = () => ask(bearer, 'POST', 'restores', { set: 'latest', selection: { includeNamespaces: ['team-a'] } });
    expect(await restore()).toMatchObject({ status: 202, body: { namespaces: ['team-a'] } });
  });

  it('decide whose Secret may open a set', async () => {
    const bearer = await token('team-a', 'tenant', [audience]);
    const restore = (namespace: string) =>
      ask(bearer, 'POST', 'restores', {
        set: 'latest',
        selection: { includeNamespaces: ['team-a'] },
        identity: { secret: { namespace, name: 'identity', key: 'identity.txt' } },
      });
    expect((await restore('team-b')).status).toBe(403);
    expect(await restore('team-a')).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('may not get the Secret team-a/identity') },
    });
    const rules = [{ apiGroups: [''], resources: ['secrets'], resourceNames: ['identity'], verbs: ['get'] }];
    await create(`${rbac}/namespaces/team-a/roles`, { metadata: { name: 'identity-reader' }, rules });
    await bind(
      'team-a',
      'identity-reader',
      { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'identity-reader' },
      'team-a',
      'tenant',
    );
    later();
    expect((await restore('team-a')).status).toBe(202);
  });
});

describe('an API server that is away', () => {
  it('makes nobody a stranger: 503 until it is back', async context => {
    if (cluster().kind === 'existing') context.skip('this cluster may not be stopped');
    const bearer = await token('team-a', 'caller', [audience]);
    await cluster().stopApiServer();
    try {
      expect(await ask(bearer, 'GET', 'version')).toMatchObject({ status: 503, body: { code: 'AUTHENTICATOR_UNAVAILABLE' } });
    } finally {
      await cluster().startApiServer();
    }
    await expect.poll(async () => (await ask(bearer, 'GET', 'version')).status, { timeout: 60_000 }).toBe(200);
  });
});

it('asks with no more rights than system:auth-delegator gives', async () => {
  const { status } = await apiRequest({ ...cluster(), token: await token('default', 'holdfast') }, '/api/v1/namespaces');
  expect(status).toBe(403);
});
