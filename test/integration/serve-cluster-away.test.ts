import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { type ClusterGate, startClusterGate } from '../helpers/cluster-gate.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly parameters: { readonly fires?: readonly { readonly policy: string; readonly at: string }[] };
}

const patience = { timeoutMs: 120_000, intervalMs: 50 };

/** One that is not the tests’ own cannot be stopped. */
describe.skipIf(process.env['HOLDFAST_TEST_KUBECONFIG'] !== undefined)('a service whose API server is away', () => {
  let dir: string;
  let cluster: TestCluster;
  let gate: ClusterGate;
  let service: Served;
  let started: number;

  const ready = async () => {
    const response = await fetch(`${service.url}/readyz`);
    return { status: response.status, checks: ((await response.json()) as { checks: unknown }).checks };
  };
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(service.metricsUrl)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };
  const timesLeading = () => service.log().match(/"msg":"leading"/g)?.length ?? 0;
  const operations = async () => (await service.get<{ items: Operation[] }>('operations?kind=backup')).items;
  const sets = async () => (await service.get<{ items: { phase: string; tier: string }[] }>('backups')).items;
  const ended = (id: string) =>
    waitFor(
      `${id} has ended`,
      async () => {
        const operation = await service.get<Operation>(`operations/${id}`);
        return !['Pending', 'Running'].includes(operation.phase) && operation;
      },
      patience,
    );

  beforeAll(async () => {
    dir = await tempDir('away');
    cluster = await startCluster({ name: 'away', controllers: false, unsafeNoFsync: true });
    gate = await startClusterGate(cluster, dir);
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', '--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')]));
    service = await startServe({
      ...{ dir, name: 'away', kubeconfig: gate.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: 'policies: {nightly: {objectives: {rpo: 26h}, tiers: {daily: {schedule: "0 2 * * *", keep: 3d}}}}\n',
    });
    await service.said('leading');
    await waitFor('a first set is there', async () => (await sets()).length > 0, patience);
    await waitFor('it is ready', async () => (await ready()).status === 200, patience);
    started = await metric('process_start_time_seconds');
  });
  afterAll(async () => {
    service?.signal('SIGKILL');
    await service?.exited;
    await gate?.close();
    await cluster?.destroy();
  });

  it('leads no longer, says so wherever it is asked, and answers what it can', async () => {
    // A backup is in its middle.
    gate.hold(({ url }) => url.startsWith('/api/v1/configmaps'));
    const asked = await service.send('POST', 'backups', { policy: 'nightly', tier: 'daily' });
    expect(asked.status, await asked.clone().text()).toBe(202);
    await waitFor('the backup is in its middle', async () => gate.held > 0, patience);
    await cluster.stopApiServer();
    await service.said('not leading any more', 60_000);
    gate.open();

    const noCluster = [
      { name: 'repository', ok: true },
      { name: 'cluster', ok: false },
    ];
    await waitFor('it is not ready', async () => (await ready()).status === 503, patience);
    expect(await ready()).toEqual({ status: 503, checks: noCluster });
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    const metrics = ['holdfast_leader', 'holdfast_cluster_reachable', 'holdfast_store_reachable'];
    expect(await Promise.all(metrics.map(metric))).toEqual([0, 0, 1]);

    expect(await sets()).toMatchObject([{ phase: 'Completed', tier: 'daily' }]);
    const { items } = await service.get<{ items: { policy: string; state: string }[] }>('objectives');
    expect(items[0]).toMatchObject({ policy: 'nightly', state: 'met', lastComplete: expect.anything() });
    expect(await metric('holdfast_rpo_seconds\\{policy="nightly"\\}')).toBeGreaterThanOrEqual(0);
    for (const path of ['backups/latest', 'policies', 'ledger', 'holds', 'retention/plan']) await service.get(path);
    const refused = await service.send('POST', 'backups', { policy: 'nightly' });
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'NOT_LEADER']);
    expect(refused.headers.get('retry-after')).not.toBeNull();
  });

  it('leads again when it is back, in the same process, and what was under way is Interrupted, never done twice', async () => {
    const before = timesLeading();
    await cluster.startApiServer();
    await waitFor('it leads again', async () => timesLeading() > before, patience);
    await waitFor('it is ready again', async () => (await ready()).status === 200, patience);
    expect(await metric('process_start_time_seconds')).toBe(started);
    expect(await Promise.all(['holdfast_leader', 'holdfast_cluster_reachable'].map(metric))).toEqual([1, 1]);

    const [demanded] = await operations();
    expect(await ended(demanded!.id)).toMatchObject({ phase: 'Interrupted' });
    const again = await service.send('POST', 'backups', { policy: 'nightly', tier: 'daily' });
    expect(await ended(((await again.json()) as Operation).id)).toMatchObject({ phase: 'Completed' });
    // The first one, and the one that was asked for again.
    expect(await sets()).toMatchObject([{ phase: 'Completed' }, { phase: 'Completed' }]);
    expect((await operations()).map(({ phase }) => phase)).toEqual(['Completed', 'Interrupted', 'Completed']);
    ok(await holdfast(['ledger', 'verify', '--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')]));
  });

  it('takes a run again, once, that was under way when the API server went', async () => {
    gate.hold(({ url }) => url.startsWith('/api/v1/configmaps'));
    const text = await readFile(service.configFile, 'utf8');
    const policies = 'policies: {hourly: {tiers: {often: {schedule: "0 * * * *", keep: 1d}}}}';
    await writeFile(service.configFile, text.replace(/^policies: .*$/m, policies));
    service.signal('SIGHUP');
    await waitFor('the run is in its middle', async () => gate.held > 0, patience);
    const before = timesLeading();
    await cluster.stopApiServer();
    await waitFor('it does not lead', async () => (await metric('holdfast_leader')) === 0, patience);
    gate.open();
    await cluster.startApiServer();
    await waitFor('it leads again', async () => timesLeading() > before, patience);
    const ofRun = async () => (await operations()).filter(({ parameters }) => parameters.fires?.some(({ policy }) => policy === 'hourly'));
    await waitFor('the run is done', async () => (await ofRun())[0]?.phase === 'Completed', patience);
    const [done, interrupted, ...others] = await ofRun();
    expect([done!.phase, interrupted!.phase, others]).toEqual(['Completed', 'Interrupted', []]);
    expect(interrupted!.parameters.fires).toEqual(done!.parameters.fires);
    expect((await sets()).filter(({ tier }) => tier === 'often')).toMatchObject([{ phase: 'Completed' }]);
  });
});
