import { execFile } from 'node:child_process';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { type MishapProxy, startMishapProxy } from '../contract/object-store-proxy.ts';
import { holdfast, type Ran } from '../helpers/command.ts';
import { halfADayAway } from '../helpers/schedules.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly summary?: Record<string, unknown>;
  readonly error?: { readonly code: string; readonly hint: string };
}

let dir: string;
let cluster: TestCluster;
let running: Served[] = [];

async function endServices(): Promise<void> {
  const all = running;
  running = [];
  for (const served of all) served.signal('SIGKILL');
  await Promise.all(all.map(served => served.exited));
}

beforeAll(async () => {
  dir = await tempDir('faults');
  cluster = await startCluster({ name: 'serve-faults', controllers: false, unsafeNoFsync: true });
  ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
});
afterAll(async () => {
  await endServices();
  await cluster?.destroy();
});

function ok(ran: Ran): Ran {
  expect(ran.exit, ran.stderr).toBe(0);
  return ran;
}

async function serve(name: string, location: string, more: string, env: NodeJS.ProcessEnv = {}): Promise<Served> {
  const served = await startServe({ dir, name, kubeconfig: cluster.kubeconfig, location, keysDir: join(dir, 'keys'), more, env });
  running.push(served);
  await served.said('leading', 90_000);
  return served;
}

async function makeNamespace(name: string): Promise<void> {
  await apiJson(cluster, '/api/v1/namespaces', { method: 'POST', body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } });
}

async function ask(served: Served, body: object = {}): Promise<Operation> {
  const response = await served.send('POST', 'backups', body);
  const text = await response.text();
  expect(response.status, text).toBe(202);
  return JSON.parse(text) as Operation;
}

const reaches = (served: Served, { id }: Operation, ...phases: string[]): Promise<Operation> =>
  waitFor(
    `${id} is ${phases.join(' or ')}`,
    async () => {
      const operation = await served.get<Operation>(`operations/${id}`);
      return phases.includes(operation.phase) ? operation : undefined;
    },
    { timeoutMs: 90_000, intervalMs: 20 },
  );
const ended = (served: Served, operation: Operation) =>
  reaches(served, operation, 'Completed', 'PartiallyFailed', 'Failed', 'Cancelled', 'Interrupted');
const setsOf = async (served: Served) => (await served.get<{ items: { id: string; phase: string; tier: string }[] }>('backups')).items;

/** The location is a bucket behind a proxy, which may let nothing through. Each test has its own, and a namespace for its lease: they wait a lot. */
describe.concurrent('a service whose location is a bucket', () => {
  let minio: S3Server;
  const proxies: MishapProxy[] = [];

  beforeAll(async () => {
    minio = await startMinio();
  });
  afterAll(async () => {
    await endServices();
    for (const proxy of proxies) await proxy.close();
    await minio?.stop();
  });
  const place = async (name: string) => {
    const proxy = await startMishapProxy(minio.endpoint);
    proxies.push(proxy);
    const keys = { AWS_ACCESS_KEY_ID: minio.accessKey, AWS_SECRET_ACCESS_KEY: minio.secretKey, AWS_REGION: 'us-east-1' };
    const env: NodeJS.ProcessEnv = { ...keys, POD_NAMESPACE: name };
    await Promise.all([minio.createBucket(name), makeNamespace(name)]);
    const location = `s3://${name}/platform?endpoint=${encodeURIComponent(proxy.endpoint)}&pathStyle=true&region=us-east-1`;
    ok(await holdfast(['init', '--location', location, '--keys-dir', join(dir, 'keys')], { env }));
    return { proxy, env, location };
  };
  const isShard = ({ method, url = '' }: IncomingMessage) => method === 'PUT' && /\/backups\/[^/]+\/(?:resources|secrets)-/.test(url);

  it('finishes the backup that runs when SIGTERM comes, takes no other, and ends with 0', async () => {
    const { proxy, env, location } = await place('finishing');
    const service = await serve('finishing', location, 'policies: {}\n', env);
    // The first try of every shard is refused: the backup is in its middle for as long as a pause before the second one.
    const refused = new Set<string>();
    proxy.onRequest(message => {
      if (!isShard(message) || refused.has(message.url!)) return undefined;
      refused.add(message.url!);
      return { kind: 'refuse' };
    });
    const operation = await ask(service, { tier: 'last' });
    await waitFor('the backup is in its middle', async () => refused.size > 0 || undefined, { intervalMs: 5, timeoutMs: 60_000 });
    service.signal('SIGTERM');
    expect(await service.exited).toBe(0);
    const next = await serve('after-finishing', location, 'policies: {}\n', env);
    expect(await next.get(`operations/${operation.id}`)).toMatchObject({ phase: 'Completed' });
    expect(await setsOf(next)).toMatchObject([{ phase: 'Completed', tier: 'last' }]);
  });

  it('hands over what it cannot finish in time: it is Interrupted, and the next one takes the run, once', async () => {
    const { proxy, env, location } = await place('stalled');
    const more = `  shutdownGrace: 500ms\npolicies: {p: {tiers: {daily: {schedule: "${halfADayAway()}", keep: 3d}}}}\n`;
    let stalled = 0;
    proxy.onRequest(message => {
      if (!isShard(message)) return undefined;
      stalled++;
      return { kind: 'stall' };
    });
    const service = await serve('stalled', location, more, env);
    await waitFor('the backup is in its middle', async () => stalled > 0 || undefined, { intervalMs: 20, timeoutMs: 60_000 });
    service.signal('SIGTERM');
    expect(await service.exited).toBe(0);
    proxy.onRequest(() => undefined);
    const next = await serve('after-stalled', location, more, env);
    await waitFor('the run has its set', async () => (await setsOf(next)).length > 0 || undefined, { timeoutMs: 60_000 });
    const { items } = await next.get<{ items: Operation[] }>('operations?kind=backup');
    // Both may be of one second, in which their order is none.
    const [run, ...others] = items.filter(({ phase }) => phase !== 'Interrupted');
    expect([items.length, others]).toEqual([2, []]);
    expect((await ended(next, run!)).phase).toBe('Completed');
    expect(await setsOf(next)).toMatchObject([{ phase: 'Completed', tier: 'daily' }]);
  });

  it('is not ready while the location is away, says 503 and never 500, and goes on when it is back', async () => {
    const { proxy, env, location } = await place('away');
    const service = await serve('away', location, 'policies: {}\n', env);
    const first = (await ended(service, await ask(service, { tier: 'before' }))).summary!['set'];
    proxy.onRequest(() => ({ kind: 'refuse' }));
    const paths = [
      'backups',
      `backups/${first}`,
      'backups/2026',
      'operations',
      'retention/plan',
      'ledger',
      'objectives',
      'policies',
      'holds',
    ];
    const look = async () => {
      const reads = paths.map(path => service.send('GET', path));
      const answers = await Promise.all([...reads, service.send('POST', 'backups', { tier: 'away' })]);
      for (const answer of answers) {
        expect([200, 503, 504], `${answer.url}: ${await answer.text()}`).toContain(answer.status);
        if (answer.status === 503) expect(answer.headers.get('retry-after')).not.toBeNull();
      }
      return answers.at(-1)!.status;
    };
    const probe = async () => (await fetch(`${service.url}/readyz`)).status;
    expect(await look()).not.toBe(200);
    await waitFor('it is not ready', async () => (await probe()) === 503 || undefined, { timeoutMs: 60_000 });
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    // Told once the look under way has given up, which tries for longer than readiness waits.
    const unreachable = async () => /^holdfast_store_reachable 0$/m.test(await (await fetch(service.metricsUrl)).text()) || undefined;
    await waitFor('the metric tells', unreachable, { timeoutMs: 90_000 });
    const { checks } = (await (await fetch(`${service.url}/readyz`)).json()) as { checks: object[] };
    expect(checks).toContainEqual({ name: 'repository', ok: false, code: 'STORE_UNREACHABLE', since: expect.stringMatching(/Z$/) });
    await look();
    proxy.onRequest(() => undefined);
    await waitFor('it is ready again', async () => (await probe()) === 200 || undefined, { timeoutMs: 60_000 });
    expect(await ended(service, await ask(service, { tier: 'after' }))).toMatchObject({ phase: 'Completed' });
    expect((await setsOf(service)).map(({ tier }) => tier)).toEqual(['after', 'before']);
    ok(await holdfast(['ledger', 'verify', '--location', location, '--keys-dir', join(dir, 'keys')], { env }));
  });
});

/** Mounting takes root. */
describe.skipIf(process.getuid?.() !== 0)('a service whose disk is full', () => {
  const disk = () => join(dir, 'disk');
  beforeAll(async () => {
    await promisify(execFile)('mkdir', [disk()]);
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk()]);
    await makeNamespace('large');
    const { randomBytes } = await import('node:crypto');
    for (let n = 0; n < 10; n++) {
      const text = randomBytes(350_000).toString('base64');
      const large = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `large-${n}` }, data: { text } };
      await apiJson(cluster, '/api/v1/namespaces/large/configmaps', { method: 'POST', body: large });
    }
  });
  afterAll(async () => {
    await endServices();
    await promisify(execFile)('umount', [disk()]);
  });

  it('says so, commits nothing, keeps what there is, and goes on with what fits', async () => {
    const location = join(disk(), 'repository');
    ok(await holdfast(['init', '--location', location, '--keys-dir', join(dir, 'keys')]));
    const service = await serve('full', location, 'policies: {}\n');
    const small = { selection: { includeNamespaces: ['default'] } };
    expect(await ended(service, await ask(service, { tier: 'before', ...small }))).toMatchObject({ phase: 'Completed' });
    const failed = await ended(service, await ask(service, { tier: 'large' }));
    expect(failed).toMatchObject({ phase: 'Failed', error: { code: 'STORE_FULL', hint: expect.stringContaining('free space') } });
    expect((await setsOf(service)).map(({ tier }) => tier)).toEqual(['before']);
    expect(await ended(service, await ask(service, { tier: 'after', ...small }))).toMatchObject({ phase: 'Completed' });
    const identity = ['--identity', join(dir, 'keys', 'operator.identity')];
    ok(await holdfast(['verify', '--location', location, '--keys-dir', join(dir, 'keys'), ...identity]));
    const told = await service.get<{ items: { action: string }[] }>('ledger?action=backup.failed');
    expect(told.items).toHaveLength(1);
  });
});
