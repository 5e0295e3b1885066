import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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

/** The run is the first of its policy, due as soon as somebody leads. */
describe('a leader in the middle of a scheduled backup, beside another replica', () => {
  let dir: string;
  let cluster: TestCluster;
  let gate: ClusterGate;
  let first: Served;
  let second: Served;
  let number = 0;

  const location = () => join(dir, `repository-${number}`);
  const serve = (name: string, kubeconfig: string): Promise<Served> =>
    startServe({
      ...{ dir, name: `${name}-${number}`, kubeconfig, location: location(), keysDir: join(dir, 'keys') },
      more: policies,
    });
  const operations = async (served: Served) => (await served.get<{ items: Operation[] }>('operations?kind=backup')).items;
  const sets = async (served: Served) => (await served.get<{ items: { phase: string; tier: string }[] }>('backups')).items;

  beforeAll(async () => {
    dir = await tempDir('takeover');
    cluster = await startCluster({ name: 'takeover', controllers: false, unsafeNoFsync: true });
    gate = await startClusterGate(cluster, dir);
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
  });
  beforeEach(async () => {
    number += 1;
    ok(await holdfast(['init', '--location', location(), '--keys-dir', join(dir, 'keys')]));
    gate.hold(({ url }) => url.startsWith('/api/v1/configmaps'));
    first = await serve('first', gate.kubeconfig);
    await waitFor('the backup is in its middle', async () => gate.held > 0, patience);
    second = await serve('second', cluster.kubeconfig);
    await second.said('the holder of the lease has changed');
    expect(await operations(second)).toMatchObject([{ phase: 'Running' }]);
  });
  afterEach(async () => {
    gate.open();
    for (const served of [first, second]) {
      served?.signal('SIGCONT');
      served?.signal('SIGKILL');
      await served?.exited;
    }
  });
  afterAll(async () => {
    await gate?.close();
    await cluster?.destroy();
  });

  /** The other has taken the run: the same fire, and one set. */
  const expectOneSet = async (): Promise<void> => {
    await waitFor('the run has its set', async () => (await sets(second)).length > 0, patience);
    const taken = await waitFor(
      'both operations have ended',
      async () => {
        const all = await operations(second);
        return all.every(({ phase }) => phase !== 'Running' && phase !== 'Pending') && all.toSorted((a, b) => (a.phase < b.phase ? -1 : 1));
      },
      patience,
    );
    expect(taken.map(({ phase }) => phase)).toEqual(['Completed', 'Interrupted']);
    expect(taken[0]!.parameters.fires).toHaveLength(1);
    expect(taken[1]!.parameters.fires).toEqual(taken[0]!.parameters.fires);
    expect(await sets(second)).toMatchObject([{ phase: 'Completed', tier: 'daily' }]);
  };

  it('that is killed is followed by the other, which takes the run, once', async () => {
    first.signal('SIGKILL');
    await second.said('leading', 60_000);
    await expectOneSet();
  });

  it('that is paused past its lease and goes on makes no second set', async () => {
    first.signal('SIGSTOP');
    await second.said('leading', 60_000);
    await expectOneSet();
    gate.open();
    first.signal('SIGCONT');
    await first.said('not leading any more', 60_000);
    await expectOneSet();
    // Neither is there one that nobody sees.
    const keys = ['--location', location(), '--keys-dir', join(dir, 'keys')];
    const files = await readdir(location(), { recursive: true });
    expect(files.filter(name => name.endsWith('manifest.json'))).toHaveLength(1);
    ok(await holdfast(['verify', ...keys, '--identity', join(dir, 'keys', 'operator.identity')]));
    ok(await holdfast(['ledger', 'verify', ...keys]));
  });
});
