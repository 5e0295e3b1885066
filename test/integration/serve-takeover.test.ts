import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson } from '../cluster/api-request.ts';
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
  readonly parameters: { readonly fires?: readonly { readonly at: string }[] };
}

const policies = `policies: {nightly: {tiers: {daily: {schedule: "${halfADayAway()}", keep: 3d}}}}\n`;
const patience = { timeoutMs: 90_000, intervalMs: 50 };

/** Two services on one location with a Lease of their own, the first of which leads and is in the middle of a run. */
interface Pair extends AsyncDisposable {
  readonly gate: ClusterGate;
  readonly first: Served;
  readonly second: Served;
  readonly location: string;
  /** The second has taken the run: the same fire, and one set. */
  expectOneSet(): Promise<void>;
}

/** The run is the first of its policy, due as soon as somebody leads. Side by side: they wait a lot. */
describe.concurrent('a leader in the middle of a scheduled backup, beside another replica', () => {
  let dir: string;
  let cluster: TestCluster;

  beforeAll(async () => {
    dir = await tempDir('takeover');
    cluster = await startCluster({ name: 'takeover', controllers: false, unsafeNoFsync: true });
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
  });
  afterAll(async () => {
    await cluster?.destroy();
  });

  async function startPair(name: string): Promise<Pair> {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    await apiJson(cluster, '/api/v1/namespaces', { method: 'POST', body: namespace });
    const own = await tempDir(name);
    const location = join(own, 'repository');
    ok(await holdfast(['init', '--location', location, '--keys-dir', join(dir, 'keys')]));
    const gate = await startClusterGate(cluster, own);
    const running: Served[] = [];
    const end = async () => {
      gate.open();
      for (const served of running) {
        served.signal('SIGCONT');
        served.signal('SIGKILL');
        await served.exited;
      }
      await gate.close();
    };
    const serve = async (who: string, kubeconfig: string): Promise<Served> => {
      const options = { dir: own, name: `${who}-${name}`, kubeconfig, location, keysDir: join(dir, 'keys') };
      const served = await startServe({ ...options, env: { POD_NAMESPACE: name }, more: policies });
      running.push(served);
      return served;
    };
    try {
      gate.hold(({ url }) => url.startsWith('/api/v1/configmaps'));
      const first = await serve('first', gate.kubeconfig);
      await waitFor('the backup is in its middle', async () => gate.held > 0, patience);
      const second = await serve('second', cluster.kubeconfig);
      await second.said('the holder of the lease has changed');
      expect(await operationsOf(second)).toMatchObject([{ phase: 'Running' }]);
      return { gate, first, second, location, expectOneSet: () => expectOneSet(second), [Symbol.asyncDispose]: end };
    } catch (thrown) {
      await end();
      throw thrown;
    }
  }

  it('that is killed is followed by the other, which takes the run, once', async () => {
    await using pair = await startPair('killed');
    pair.first.signal('SIGKILL');
    await pair.second.said('leading', 60_000);
    await pair.expectOneSet();
  });

  it('that is paused past its lease and goes on makes no second set', async () => {
    await using pair = await startPair('paused');
    const { gate, first, second, location } = pair;
    first.signal('SIGSTOP');
    await second.said('leading', 60_000);
    await pair.expectOneSet();
    gate.open();
    first.signal('SIGCONT');
    await first.said('not leading any more', 60_000);
    await pair.expectOneSet();
    // Neither is there one that nobody sees.
    const keys = ['--location', location, '--keys-dir', join(dir, 'keys')];
    const files = await readdir(location, { recursive: true });
    expect(files.filter(name => name.endsWith('manifest.json'))).toHaveLength(1);
    ok(await holdfast(['verify', ...keys, '--identity', join(dir, 'keys', 'operator.identity')]));
    ok(await holdfast(['ledger', 'verify', ...keys]));
  });
});

async function operationsOf(served: Served): Promise<Operation[]> {
  return (await served.get<{ items: Operation[] }>('operations?kind=backup')).items;
}

async function setsOf(served: Served): Promise<{ readonly phase: string; readonly tier: string }[]> {
  return (await served.get<{ items: { phase: string; tier: string }[] }>('backups')).items;
}

async function expectOneSet(served: Served): Promise<void> {
  await waitFor('the run has its set', async () => (await setsOf(served)).length > 0, patience);
  const taken = await waitFor(
    'both operations have ended',
    async () => {
      const all = await operationsOf(served);
      return all.every(({ phase }) => phase !== 'Running' && phase !== 'Pending') && all.toSorted((a, b) => (a.phase < b.phase ? -1 : 1));
    },
    patience,
  );
  expect(taken.map(({ phase }) => phase)).toEqual(['Completed', 'Interrupted']);
  expect(taken[0]!.parameters.fires).toHaveLength(1);
  expect(taken[1]!.parameters.fires).toEqual(taken[0]!.parameters.fires);
  expect(await setsOf(served)).toMatchObject([{ phase: 'Completed', tier: 'daily' }]);
}
