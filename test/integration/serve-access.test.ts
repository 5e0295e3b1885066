import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { SignJWT } from 'jose';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Asker, untilAllowed } from '../cluster/allowed.ts';
import { apiJson } from '../cluster/api-request.ts';
import { serviceAccountKeyFile } from '../cluster/api-server.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { having } from '../helpers/having.ts';
import { type OidcIssuer, startOidcIssuer } from '../helpers/oidc-issuer.ts';
import { type Served, serveFrom } from '../helpers/serve-process.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const audience = 'holdfast';
const now = () => Math.floor(Date.now() / 1000);

const { describe } = having('openssl');

/** Nothing in between is replaced: TLS, TokenReview and SubjectAccessReview of a real API server, an issuer over HTTPS. */
describe('who comes to a service', () => {
  let dir: string;
  let cluster: TestCluster;
  let issuer: OidcIssuer;
  let service: Served;
  let agent: Agent;

  const create = <T>(path: string, body: object): Promise<T> => apiJson(cluster, path, { method: 'POST', body });
  const ask = async (token: string | undefined, path: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { statusCode, body } = await request(`${service.url}/api/v1/${path}`, { dispatcher: agent, headers });
    return { status: statusCode, body: (await body.json()) as { code?: string; user?: string } };
  };
  /** A new account of the cluster; its token for an audience, or for the API server itself. */
  const account = async (name: string, audiences?: string[]): Promise<string> => {
    await create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name } });
    const spec = { expirationSeconds: 600, ...(audiences && { audiences }) };
    const answer = await create<{ status: { token: string } }>(`/api/v1/namespaces/default/serviceaccounts/${name}/token`, {
      ...{ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
    });
    return answer.status.token;
  };
  const bind = async (name: string, subject: object, asker: Asker) => {
    await create(`${rbac}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reads-backups' },
      subjects: [subject],
    });
    // The service remembers for ten seconds that one may not.
    await untilAllowed(cluster, asker, { group: 'holdfast.dev', resource: 'backups', verb: 'list' });
  };
  /** Whose certificate a new connection is shown. */
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const { hostname: host, port } = new URL(service.url);
      const socket = connectTls({ host, port: Number(port), rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.once('error', reject);
    });

  beforeAll(async () => {
    dir = await tempDir('access');
    const file = (name: string) => join(dir, name);
    for (const name of ['one', 'two', 'issuer']) {
      const files = ['-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)];
      const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
      const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
      execFileSync('openssl', ['req', '-x509', '-nodes', ...kind, ...names, ...files], { stdio: 'ignore' });
    }
    const pem = (name: string) => readFile(file(name), 'utf8');
    for (const end of ['crt', 'key']) await cp(file(`one.${end}`), file(`tls.${end}`));
    agent = new Agent({ connect: { ca: [await pem('one.crt'), await pem('two.crt')] } });
    issuer = await startOidcIssuer({ cert: await pem('issuer.crt'), key: await pem('issuer.key') }, audience);
    cluster = await startCluster({ name: 'access', unsafeNoFsync: true });
    const rules = [{ apiGroups: ['holdfast.dev'], resources: ['backups'], verbs: ['get', 'list'] }];
    await create(`${rbac}/clusterroles`, { metadata: { name: 'reads-backups' }, rules });
    ok(await holdfast(['keys', 'generate', '--out', file('keys')]));
    ok(await holdfast(['init', '--location', file('repository'), '--keys-dir', file('keys')]));
    await writeFile(
      file('access.yaml'),
      `location: ${file('repository')}
keysDir: ${file('keys')}
kubeconfig: ${cluster.kubeconfig}
policies: {}
service:
  listen: 127.0.0.1:0
  metricsListen: 127.0.0.1:0
  tls: {cert: ${file('tls.crt')}, key: ${file('tls.key')}}
  auth:
    tokenReview: {audiences: [${audience}]}
    oidc: {issuer: "${issuer.url}", audience: ${audience}}
  authorization: {mode: subjectAccessReview}
`,
    );
    const env = { NODE_EXTRA_CA_CERTS: file('issuer.crt') };
    service = await serveFrom({ name: 'access', configFile: file('access.yaml'), env });
  });
  afterAll(async () => {
    service?.signal('SIGKILL');
    await service?.exited;
    await agent?.destroy();
    await issuer?.close();
    await cluster?.destroy();
  });

  it('is told nothing without a token, and nothing at all without TLS', async () => {
    expect(service.url).toMatch(/^https:/);
    expect(await ask(undefined, 'version')).toMatchObject({ status: 401, body: { code: 'REQUEST_UNAUTHENTICATED' } });
    await expect(fetch(service.url.replace('https:', 'http:'))).rejects.toThrow();
    await expect(request(`${service.url}/healthz`)).rejects.toThrow();
  });

  it('with a token of the cluster is who TokenReview says, and may what its RBAC says', async () => {
    const reader = await account('reader', [audience]);
    const user = 'system:serviceaccount:default:reader';
    await bind('reader', { kind: 'ServiceAccount', namespace: 'default', name: 'reader' }, { user });
    expect(await ask(reader, 'version')).toMatchObject({ status: 200, body: { user } });
    expect((await ask(reader, 'backups')).status).toBe(200);
    expect(await ask(reader, 'policies')).toMatchObject({ status: 403, body: { code: 'REQUEST_FORBIDDEN' } });
    expect((await ask(await account('stranger', [audience]), 'backups')).status).toBe(403);
    for (const audiences of [undefined, ['another-service']]) {
      const token = await account(`of-${audiences?.[0] ?? 'the-cluster'}`, audiences);
      expect(await ask(token, 'version')).toMatchObject({ status: 401, body: { code: 'REQUEST_UNAUTHENTICATED' } });
    }
  });

  it('with a token of the cluster that has expired is nobody', async context => {
    if (cluster.kind !== 'native') context.skip('the key by which this cluster signs its tokens is not to be had');
    const good = await account('late', [audience]);
    const [header = '', claims = ''] = good.split('.').map(part => Buffer.from(part, 'base64url').toString('utf8'));
    const key = createPrivateKey(await readFile(serviceAccountKeyFile(cluster.dir), 'utf8'));
    const until = (exp: number) => new SignJWT({ ...JSON.parse(claims), exp }).setProtectedHeader(JSON.parse(header)).sign(key);
    expect((await ask(await until(now() + 120), 'version')).status).toBe(200);
    expect(await ask(await until(now() - 120), 'version')).toMatchObject({ status: 401, body: { code: 'REQUEST_UNAUTHENTICATED' } });
  });

  it('with a token of the issuer is who it says, as soon as the issuer answers', async () => {
    issuer.answers = false;
    const alice = await issuer.token({ sub: 'alice', groups: ['ops'] });
    expect(await ask(alice, 'version')).toMatchObject({ status: 503, body: { code: 'AUTHENTICATOR_UNAVAILABLE' } });
    issuer.answers = true;
    expect(await ask(alice, 'version')).toMatchObject({ status: 200, body: { user: `${issuer.url}#alice` } });
    const ops = `${issuer.url}#ops`;
    await bind('ops', { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: ops }, { user: `${issuer.url}#olga`, groups: [ops] });
    expect((await ask(await issuer.token({ sub: 'olga', groups: ['ops'] }), 'backups')).status).toBe(200);
    expect((await ask(await issuer.token({ sub: 'olga', groups: ['dev'] }), 'backups')).status).toBe(403);
    const strange = [{ exp: now() - 120 }, { aud: 'another-service' }, { iss: 'https://127.0.0.1:1' }, { sub: '' }];
    const tokens = await Promise.all(strange.map(claims => issuer.token({ sub: 'alice', ...claims })));
    for (const token of [...tokens, await issuer.forged({ sub: 'alice' })]) {
      expect(await ask(token, 'version')).toMatchObject({ status: 401, body: { code: 'REQUEST_UNAUTHENTICATED' } });
    }
    // Keys are asked for once, not with every token.
    expect(issuer.asked.filter(path => path === '/keys')).toHaveLength(1);
    expect(service.log()).not.toContain(alice);
  });

  it('with a token for another audience is who it says once that is the audience, and nobody with the one of before', async () => {
    const tokenFor = (aud: string) => issuer.token({ sub: 'alice', aud });
    const text = await readFile(service.configFile, 'utf8');
    await writeFile(service.configFile, text.replace(`audience: ${audience}}`, 'audience: renamed}'));
    service.signal('SIGHUP');
    const status = async (aud: string) => (await ask(await tokenFor(aud), 'version')).status;
    await waitFor('the other audience counts', async () => (await status('renamed')) === 200, { timeoutMs: 90_000, intervalMs: 100 });
    expect(await status(audience)).toBe(401);
    await writeFile(service.configFile, text);
    service.signal('SIGHUP');
    await waitFor('it counts again', async () => (await status(audience)) === 200, { timeoutMs: 90_000, intervalMs: 100 });
  });

  it('is shown a new certificate without a restart', async () => {
    expect(await shown()).toBe('one');
    for (const end of ['key', 'crt']) await cp(join(dir, `two.${end}`), join(dir, `tls.${end}`));
    await waitFor('the new certificate is shown', async () => (await shown()) === 'two', { timeoutMs: 90_000, intervalMs: 250 });
    expect((await ask(undefined, 'version')).status).toBe(401);
    expect(service.log().match(/"msg":"serving"/g)).toHaveLength(1);
  });
});
