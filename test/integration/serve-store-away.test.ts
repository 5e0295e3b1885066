import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { apiJson, apiRequest } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { freePort } from '../cluster/ports.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { startMishapProxy } from '../contract/object-store-proxy.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';
import { metrics, untilMetric, work } from '../helpers/service-work.ts';

interface Ready {
  readonly status: number;
  readonly text: string;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly code?: string; readonly since?: string }[];
}

const patience = { timeoutMs: 120_000, intervalMs: 100 };

describe('a service whose location is away when it starts', () => {
  let dir: string;
  let cluster: TestCluster;
  let minio: S3Server;
  let service: Served | undefined;

  const locationAt = (endpoint: string, bucket: string) =>
    `s3://${bucket}/platform?endpoint=${encodeURIComponent(endpoint)}&pathStyle=true&region=us-east-1`;
  const credentials = (): NodeJS.ProcessEnv => ({ AWS_ACCESS_KEY_ID: minio.accessKey, AWS_SECRET_ACCESS_KEY: minio.secretKey });
  /** A bucket with a repository, and a namespace for the Lease, of this name. */
  const makePlace = async (name: string): Promise<void> => {
    await minio.createBucket(name);
    await apiJson(cluster, '/api/v1/namespaces', { method: 'POST', body: { metadata: { name } } });
    ok(await holdfast(['init', '--location', locationAt(minio.endpoint, name), '--keys-dir', join(dir, 'keys')], { env: credentials() }));
  };
  const startWaiting = async (name: string, location: string): Promise<Served> => {
    service = await startServe({
      ...{ dir, name, location, kubeconfig: cluster.kubeconfig, keysDir: join(dir, 'keys'), more: 'policies: {}\n' },
      ...{ env: { ...credentials(), POD_NAMESPACE: name }, until: 'waiting for the location' },
    });
    return service;
  };
  const ready = async (): Promise<Ready> => {
    const response = await fetch(`${service!.url}/readyz`);
    const text = await response.text();
    return { status: response.status, text, checks: (JSON.parse(text) as Pick<Ready, 'checks'>).checks };
  };
  const untilReady = () => waitFor('it is ready', async () => (await ready()).status === 200, patience);
  const lines = (message: string) =>
    service!
      .log()
      .split('\n')
      .filter(line => line.includes(JSON.stringify(message)));

  beforeAll(async () => {
    dir = await tempDir('store-away');
    cluster = await startCluster({ name: 'store-away', controllers: false, unsafeNoFsync: true });
    minio = await startMinio();
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
  });
  afterEach(async () => {
    service?.signal('SIGKILL');
    await service?.exited;
  });
  afterAll(async () => {
    await minio?.stop();
    await cluster?.destroy();
  });

  it('listens, says what it waits for to whoever may know, and opens by itself', async () => {
    await makePlace('opening');
    const { port } = new URL(minio.endpoint);
    await minio.goAway();
    const waiting = await startWaiting('opening', locationAt(minio.endpoint, 'opening'));
    const { url } = waiting;
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    await waitFor('a try has failed', async () => lines('the repository cannot be opened yet').length > 0, patience);
    await waitFor('the API server was asked', async () => (await ready()).checks[1]?.ok, patience);
    const probe = await ready();
    expect(probe.status).toBe(503);
    expect(probe.checks[0]).toMatchObject({ name: 'repository', ok: false, code: 'STORE_UNREACHABLE', since: expect.stringMatching(/Z$/) });
    await waitFor('it says when it tries again', async () => (await ready()).text.includes('"retryAt"'), patience);
    await untilMetric(waiting, 'holdfast_cluster_reachable', value => value === 1);
    const values = ['holdfast_build_info{', 'holdfast_store_reachable ', 'holdfast_leader '].map(name => metrics(waiting, name));
    expect(await Promise.all(values)).toEqual([[1], [0], [0]]);
    const [started] = await metrics(waiting, 'process_start_time_seconds ');
    expect(started).toBeGreaterThan(0);

    const stranger = await fetch(`${url}/api/v1/backups`, { headers: { authorization: 'Bearer of-nobody' } });
    const toStrangers = [probe.text, await stranger.text(), await (await fetch(`${url}/openapi.json`)).text()];
    for (const text of toStrangers) expect(text).not.toMatch(new RegExp(`${port}|s3://opening|ECONNREFUSED`));
    expect(stranger.status).toBe(401);
    const victor = await waiting.send('POST', 'backups', {}, { authorization: 'Bearer victor-token-0123456789' });
    expect(victor.status).toBe(403);
    expect((await waiting.send('GET', 'nowhere')).status).toBe(404);
    const asked = ['backups', 'backups/latest', 'policies', 'operations', 'objectives', 'ledger', 'events', 'retention/plan', 'version'];
    const answers = await Promise.all([...asked.map(path => waiting.send('GET', path)), waiting.send('POST', 'backups', { tier: 'any' })]);
    for (const answer of answers) {
      expect([answer.status, answer.headers.get('content-type')], answer.url).toEqual([503, 'application/problem+json']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      const problem = (await answer.json()) as { code: string; detail: string; hint: string };
      expect(problem).toMatchObject({ code: 'SERVICE_WAITING', hint: expect.stringContaining('opens by itself') });
      expect(problem.detail).toMatch(/s3:\/\/opening\/platform\S* could not be opened since .*Z \(STORE_UNREACHABLE\): .*ECONNREFUSED/);
    }
    // Another replica, which has a repository, can lead.
    const lease = '/apis/coordination.k8s.io/v1/namespaces/opening/leases/holdfast';
    expect((await apiRequest(cluster, lease)).status).toBe(404);

    await minio.comeBack();
    await untilReady();
    await waiting.said('leading', 120_000);
    expect(waiting.url).toBe(url);
    expect(await work(waiting, 'backups', { tier: 'after' })).toMatchObject({ phase: 'Completed' });
    await untilMetric(waiting, 'holdfast_store_reachable', value => value === 1);
    await untilMetric(waiting, 'holdfast_leader', value => value === 1);
    expect(await metrics(waiting, 'process_start_time_seconds ')).toEqual([started]);
    const refused = async () => {
      const { items } = await waiting.get<{ items: { details: { code: string } }[] }>('ledger?action=request.refused');
      return items.map(({ details }) => details.code).sort();
    };
    const both = ['REQUEST_FORBIDDEN', 'REQUEST_UNAUTHENTICATED'];
    await waitFor('the ledger has what was refused', async () => JSON.stringify(await refused()) === JSON.stringify(both), patience);
    waiting.signal('SIGTERM');
    expect(await waiting.exited).toBe(0);
  });

  it('takes a corrected location up while it waits, and refuses one that no waiting would mend', async () => {
    await makePlace('corrected');
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const waiting = await startWaiting('corrected', locationAt(nobody, 'corrected'));
    const text = await readFile(waiting.configFile, 'utf8');
    const write = async (location: string): Promise<void> => {
      await writeFile(waiting.configFile, text.replace(locationAt(nobody, 'corrected'), location));
      waiting.signal('SIGHUP');
    };
    await write(locationAt(minio.endpoint, 'nowhere'));
    const refusals = () => lines('the changed configuration is refused; the one of before stays in force');
    await waitFor('it says that there is no such bucket', async () => refusals().some(line => line.includes('bucket nowhere')), patience);
    expect((await ready()).checks[0]).toMatchObject({ ok: false, code: 'STORE_UNREACHABLE' });
    await write(locationAt(nobody, 'elsewhere'));
    await waitFor('it waits for the other', async () => lines('waiting for the location').length === 2, patience);
    expect((await (await waiting.send('GET', 'backups')).json()) as object).toMatchObject({
      detail: expect.stringContaining('s3://elsewhere/'),
    });
    await write(locationAt(minio.endpoint, 'corrected'));
    await untilReady();
    await waiting.said('leading', 120_000);
    expect(await work(waiting, 'backups', {})).toMatchObject({ phase: 'Completed' });
  });

  it('ends with 0 when it is stopped, also while the location is there and does not answer', async () => {
    const proxy = await startMishapProxy(minio.endpoint);
    proxy.onRequest(() => ({ kind: 'stall' }));
    try {
      const waiting = await startWaiting('stalled', locationAt(proxy.endpoint, 'stalled'));
      expect((await fetch(`${waiting.url}/healthz`)).status).toBe(200);
      expect((await ready()).checks[0]).toMatchObject({ ok: false, code: 'STORE_UNREACHABLE' });
      waiting.signal('SIGTERM');
      expect(await waiting.exited).toBe(0);
      expect(lines('stopped')).toHaveLength(1);
    } finally {
      await proxy.close();
    }
  });

  it('ends with a clear error when what comes back holds no repository', async () => {
    await minio.createBucket('empty');
    await minio.goAway();
    const waiting = await startWaiting('empty', locationAt(minio.endpoint, 'empty'));
    await minio.comeBack();
    expect(await waiting.exited).toBe(10);
    expect(waiting.log()).toMatch(/s3:\/\/empty\/platform\S* holds no repository/);
  });
});
