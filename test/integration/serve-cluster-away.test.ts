import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { type ClusterGate, startClusterGate } from '../helpers/cluster-gate.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { halfADayAway } from '../helpers/schedules.ts';
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
  let demanded: Operation;
  /** What was answered before it could be known which cluster this is. */
  let early: { readonly status: number; readonly code: string };

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
    gate.hold(({ url }) => url.startsWith('/api/v1/namespaces/kube-system'));
    service = await startServe({
      ...{ dir, name: 'away', kubeconfig: gate.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: `policies: {nightly: {objectives: {rpo: 26h}, tiers: {daily: {schedule: "${halfADayAway()}", keep: 3d}}}}\n`,
    });
    // At its start, and again when it has the Lease.
    await waitFor('it asks which cluster this is', async () => gate.held > 1, patience);
    const answer = await service.send('POST', 'backups', { policy: 'nightly', tier: 'daily' });
    early = { status: answer.status, code: ((await answer.json()) as { code: string }).code };
    gate.open();
    await service.said('leading', 120_000);
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

  it('takes nothing on before it knows which cluster it is of', () => {
    expect(early).toEqual({ status: 503, code: 'NOT_LEADER' });
  });

  it('leads no longer, says so wherever it is asked, and answers what it can', async () => {
    // A backup is in its middle.
    gate.hold(({ url }) => url.startsWith('/api/v1/configmaps'));
    const asked = await service.send('POST', 'backups', { policy: 'nightly', tier: 'daily' });
    expect(asked.status, await asked.clone().text()).toBe(202);
    demanded = (await asked.json()) as Operation;
    await waitFor('the backup is in its middle', async () => gate.held > 0, patience);
    await cluster.stopApiServer();
    await service.said('not leading any more', 60_000);
    gate.open();

    const noCluster = [
      { name: 'repository', ok: true },
      { name: 'cluster', ok: false, code: expect.stringMatching(/^CLUSTER_|^TIMEOUT$/), since: expect.stringMatching(/Z$/) },
    ];
    await waitFor('it is not ready', async () => (await ready()).status === 503, patience);
    expect(await ready()).toEqual({ status: 503, checks: noCluster });
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    const metrics = ['holdfast_leader', 'holdfast_cluster_reachable', 'holdfast_store_reachable'];
    await expect.poll(() => Promise.all(metrics.map(metric)), { timeout: 60_000 }).toEqual([0, 0, 1]);

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
    const reached = () => Promise.all(['holdfast_leader', 'holdfast_cluster_reachable'].map(metric));
    await expect.poll(reached, { timeout: 60_000 }).toEqual([1, 1]);

    expect(await ended(demanded.id)).toMatchObject({ phase: 'Interrupted' });
    const answer = await service.send('POST', 'backups', { policy: 'nightly', tier: 'daily' });
    const again = (await answer.json()) as Operation;
    expect(await ended(again.id)).toMatchObject({ phase: 'Completed' });
    // The first one, and the one that was asked for again.
    expect(await sets()).toMatchObject([{ phase: 'Completed' }, { phase: 'Completed' }]);
    // By their ids: which of one second came last cannot be told by the order of the list.
    const phases = new Map((await operations()).map(({ id, phase }) => [id, phase]));
    expect([phases.get(demanded.id), phases.get(again.id)]).toEqual(['Interrupted', 'Completed']);
    expect([...phases.values()].sort()).toEqual(['Completed', 'Completed', 'Interrupted']);
    ok(await holdfast(['ledger', 'verify', '--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')]));
  });

  it('takes a run again, once, that was under way when the API server went', async () => {
    gate.hold(({ url }) => url.startsWith('/api/v1/configmaps'));
    const text = await readFile(service.configFile, 'utf8');
    // Its first set is taken at once.
    const policies = `policies: {other: {tiers: {once: {schedule: "${halfADayAway()}", keep: 3d}}}}`;
    await writeFile(service.configFile, text.replace(/^policies: .*$/m, policies));
    service.signal('SIGHUP');
    await waitFor('the run is in its middle', async () => gate.held > 0, patience);
    const before = timesLeading();
    await cluster.stopApiServer();
    await waitFor('it does not lead', async () => (await metric('holdfast_leader')) === 0, patience);
    gate.open();
    await cluster.startApiServer();
    await waitFor('it leads again', async () => timesLeading() > before, patience);
    const ofRun = async () => (await operations()).filter(({ parameters }) => parameters.fires?.some(({ policy }) => policy === 'other'));
    await waitFor('the run is done', async () => (await ofRun()).some(({ phase }) => phase === 'Completed'), patience);
    const [done, interrupted, ...others] = (await ofRun()).toSorted((a, b) => (a.phase < b.phase ? -1 : 1));
    expect([done!.phase, interrupted!.phase, others]).toEqual(['Completed', 'Interrupted', []]);
    expect(interrupted!.parameters.fires).toEqual(done!.parameters.fires);
    expect((await sets()).filter(({ tier }) => tier === 'once')).toMatchObject([{ phase: 'Completed' }]);
  });
});
