import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { roleAllows } from '../../src/api/auth/roles.ts';
import { apiPrefix } from '../../src/api/endpoints.ts';
import { allEndpoints } from '../../src/api/methods.ts';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { describedOperations, reachedOperations, serverErrors } from '../fuzz/described.ts';
import { type FuzzReport, fuzz } from '../fuzz/schemathesis.ts';
import { describeFuzzed } from '../fuzz/with-fuzzer.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, serveFrom, tokens } from '../helpers/serve-process.ts';

const tina = 'tina-token-0123456789';
/** Streams last a quarter of an hour. */
const except = ['/api/v1/events'];
const checks = [
  ...['not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_headers_conformance'],
  'response_schema_conformance',
];

/** The real one, with a real cluster and a repository behind it: what it does for those who may, and what it tells those who may not. */
describeFuzzed('a service under schemathesis', command => {
  let dir: string;
  let cluster: TestCluster;
  let service: Served;

  beforeAll(async () => {
    dir = await tempDir('fuzzed');
    cluster = await startCluster({ name: 'fuzzed', controllers: false, unsafeNoFsync: true });
    for (const name of ['team-a', 'team-b']) await apiJson(cluster, '/api/v1/namespaces', { method: 'POST', body: { metadata: { name } } });
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', '--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')]));
    const lines = [`${tokens.alice},alice,ops`, `${tokens.victor},victor,watchers`, `${tina},tina,ops|team-a`];
    await writeFile(join(dir, 'tokens'), `${lines.join('\n')}\n`, { mode: 0o600 });
    await writeFile(
      join(dir, 'fuzzed.yaml'),
      `location: ${join(dir, 'repository')}
keysDir: ${join(dir, 'keys')}
kubeconfig: ${cluster.kubeconfig}
service:
  listen: 127.0.0.1:0
  metricsListen: 127.0.0.1:0
  identityDir: ${join(dir, 'keys')}
  auth: {tokensFile: ${join(dir, 'tokens')}}
  authorization:
    mode: roles
    roles: {viewer: {groups: [watchers]}, operator: {groups: [ops]}, restorer: {groups: [ops]}}
    tenants: {team-a: {groups: [team-a], namespaces: [team-a]}}
  rateLimit: {perMinute: 1000000, perSecond: 100000}
`,
    );
    service = await serveFrom({ name: 'fuzzed', configFile: join(dir, 'fuzzed.yaml') });
    await service.said('leading');
    const first = async () => (await service.get<{ items: unknown[] }>('backups')).items.length > 0;
    await waitFor('a first set is there', first, { timeoutMs: 60_000 });
  });
  afterAll(async () => {
    service?.signal('SIGKILL');
    await service?.exited;
    await cluster?.destroy();
  });

  const fuzzed = async (token: string, examples: number): Promise<FuzzReport> => {
    const report = await fuzz({ command, url: service.url, token, examples, seed: 20_261_127, checks, except });
    expect(report.ok, report.output).toBe(true);
    expect(reachedOperations(report)).toEqual(await describedOperations(service.url, except));
    expect(serverErrors(report)).toEqual([]);
    return report;
  };

  it('answers an administrator as it is described, and never with 500', { timeout: 1_000_000 }, async () => {
    await fuzzed(tokens.alice, 2);
  });

  it('answers a tenant as it is described, and never with 500', { timeout: 1_000_000 }, async () => {
    await fuzzed(tina, 2);
  });

  it('answers a viewer as it is described, never with 500, and does nothing that a viewer may not ask for', {
    timeout: 1_000_000,
  }, async () => {
    const { byOperation } = await fuzzed(tokens.victor, 2);
    const forbidden = allEndpoints().filter(({ access }) => access !== undefined && !roleAllows('viewer', access));
    expect(forbidden.length).toBeGreaterThan(10);
    for (const { method, path } of forbidden) {
      const operation = `${method} ${apiPrefix}${path.replace(/:([a-z]+)/g, '{$1}')}`;
      const statuses = [...(byOperation.get(operation) ?? [])];
      expect(statuses, operation).toContain(403);
      expect(
        statuses.filter(status => status < 400),
        operation,
      ).toEqual([]);
    }
  });

  it('goes on as before: it is ready, it has counted no 500, and its ledger is whole', async () => {
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(service.metricsUrl)).text();
    const statuses = new Set([...metrics.matchAll(/^holdfast_api_requests_total\{.*status="(\d+)".*\} /gm)].map(([, status]) => status));
    expect(statuses).toContain('202');
    expect(statuses).toContain('403');
    expect(statuses).not.toContain('500');
    const routes = [...metrics.matchAll(/^holdfast_api_requests_total\{method="(\w+)",route="([^"]+)"/gm)].map(([, ...of]) => of.join(' '));
    const described = (await describedOperations(service.url, except)).map(operation => operation.replace(/\{(\w+)\}/g, ':$1'));
    expect(described.filter(route => !routes.includes(route))).toEqual([]);
    expect(service.log()).not.toContain('"code":"INTERNAL"');
    ok(await holdfast(['ledger', 'verify', '--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')]));
  });
});
