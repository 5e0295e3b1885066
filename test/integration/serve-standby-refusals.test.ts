import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe, tokens } from '../helpers/serve-process.ts';

interface Entry {
  readonly action: string;
  readonly subject: string;
  readonly actor: { readonly name: string };
  readonly details: Readonly<Record<string, unknown>>;
}

const patience = { timeoutMs: 90_000, intervalMs: 200 };

describe('two replicas that refuse requests', () => {
  let dir: string;
  let cluster: TestCluster;
  let leader: Served;
  let standby: Served;
  const flags = () => ['--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')];

  beforeAll(async () => {
    dir = await tempDir('refusals');
    cluster = await startCluster({ name: 'refusals', controllers: false, unsafeNoFsync: true });
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', ...flags()]));
    const serve = (name: string) =>
      startServe({
        ...{ dir, name, kubeconfig: cluster.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys'), patient: true },
        more: 'policies: {}\n',
      });
    leader = await serve('leader');
    await leader.said('leading', 60_000);
    standby = await serve('standby');
    await standby.said('the holder of the lease has changed', 60_000);
  });
  afterAll(async () => {
    for (const served of [leader, standby]) {
      served?.signal('SIGKILL');
      await served?.exited;
    }
    await cluster?.destroy();
  });

  const refusedBy = async (served: Served, who: keyof typeof tokens, path: string): Promise<void> => {
    const response = await served.send('POST', path, {}, { authorization: `Bearer ${tokens[who]}` });
    expect(response.status, await response.text()).toBe(403);
  };
  const refusals = async (): Promise<Entry[]> => (await leader.get<{ items: Entry[] }>('ledger?action=request.refused&limit=100')).items;

  it('have both of them told the ledger, also at the same moment, and its chain is whole', async () => {
    const paths = ['retention/runs', 'verifications', 'validations', 'backups'];
    await Promise.all(paths.flatMap(path => [refusedBy(leader, 'victor', path), refusedBy(standby, 'victor', path)]));
    const told = await waitFor(
      'every refusal is in the ledger',
      async () => {
        const found = await refusals();
        return found.length >= 2 * paths.length && found;
      },
      patience,
    );
    const expected = paths.flatMap(path => [`POST /api/v1/${path}`, `POST /api/v1/${path}`]);
    expect(told.map(({ subject }) => subject).sort()).toEqual(expected.sort());
    for (const entry of told) expect(entry).toMatchObject({ actor: { name: 'victor' }, details: { code: 'REQUEST_FORBIDDEN', count: 1 } });
    ok(await holdfast(['ledger', 'verify', ...flags()]));
  });

  it('have what was only counted by a standby told when it ends', async () => {
    for (let i = 0; i < 3; i++) await refusedBy(standby, 'victor', 'restores');
    standby.signal('SIGTERM');
    expect(await standby.exited).toBe(0);
    const told = (await refusals()).filter(({ subject }) => subject === 'POST /api/v1/restores');
    expect(told.reduce((sum, { details }) => sum + Number(details['count']), 0)).toBe(3);
    ok(await holdfast(['ledger', 'verify', ...flags()]));
  });
});
