import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { fuzz, fuzzer } from '../fuzz/schemathesis.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, serveFrom, tokens } from '../helpers/serve-process.ts';

const tool = await fuzzer();
const tina = 'tina-token-0123456789';
/** What somebody asks for is done: there are limits to what fits into a test. */
const checks = [
  ...['not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_headers_conformance'],
  'response_schema_conformance',
];

/** The real one, with a real cluster and a repository behind it: what it does for those who may, and what it tells those who may not. */
describe.skipIf('missing' in tool)(`a service under schemathesis${'missing' in tool ? ` (${tool.missing})` : ''}`, () => {
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

  it.each([
    ['an administrator', tokens.alice, 25],
    ['a tenant', tina, 15],
    ['a viewer', tokens.victor, 10],
  ])('answers %s as it is described, and never with 500', { timeout: 300_000 }, async (_who, token, seconds) => {
    const { command } = tool as { command: string };
    // Streams last a quarter of an hour.
    const except = ['/api/v1/events'];
    const { ok: clean, output } = await fuzz({ command, url: service.url, token, examples: 5, seed: 20_261_127, checks, seconds, except });
    expect(clean, output).toBe(true);
  });

  it('goes on as before: it is ready, it has counted no 500, and its ledger is whole', async () => {
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(service.metricsUrl)).text();
    const statuses = new Set([...metrics.matchAll(/^holdfast_api_requests_total\{.*status="(\d+)".*\} /gm)].map(([, status]) => status));
    expect(statuses).toContain('202');
    expect(statuses).toContain('403');
    expect(statuses).not.toContain('500');
    expect(service.log()).not.toContain('"code":"INTERNAL"');
    ok(await holdfast(['ledger', 'verify', '--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')]));
  });
});
