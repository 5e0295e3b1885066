import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson, apiRequest } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';

const objects = 1_500;
const path = '/api/v1/namespaces/default/configmaps';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly summary?: Record<string, unknown>;
}

/** SIGSTOP in the middle of a restore for longer than the lease, then SIGCONT. */
describe('a leader that is paused in the middle of a restore', () => {
  let dir: string;
  let cluster: TestCluster;
  let paused: Served;
  let other: Served;

  const serve = (name: string): Promise<Served> =>
    startServe({
      ...{ dir, name, kubeconfig: cluster.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: 'policies: {}\n',
    });
  /** Name to what changes with every write. */
  const there = async (): Promise<Map<string, string>> => {
    const { items } = (await apiJson(cluster, `${path}?labelSelector=paused`)) as unknown as {
      items: { metadata: { name: string; uid: string; resourceVersion: string } }[];
    };
    return new Map(items.map(({ metadata: { name, uid, resourceVersion } }) => [name, `${uid} ${resourceVersion}`]));
  };

  beforeAll(async () => {
    dir = await tempDir('paused');
    cluster = await startCluster({ name: 'paused', controllers: false, unsafeNoFsync: true });
    for (let n = 0; n < objects; n += 50) {
      const names = Array.from({ length: 50 }, (_, i) => `paused-${n + i}`);
      await Promise.all(
        names.map(name => {
          const metadata = { name, labels: { paused: 'yes' } };
          return apiJson(cluster, path, { method: 'POST', body: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { name } } });
        }),
      );
    }
    const keys = ['--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')];
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', ...keys]));
    ok(await holdfast(['backup', 'create', ...keys, '--kubeconfig', cluster.kubeconfig, '--include-namespaces', 'default']));
    const age = await readFile(join(dir, 'keys', 'operator.identity'), 'utf8');
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'identity' }, stringData: { age } };
    await apiJson(cluster, '/api/v1/namespaces/default/secrets', { method: 'POST', body: secret });
    expect((await apiRequest(cluster, `${path}?labelSelector=paused`, { method: 'DELETE' })).status).toBe(200);
    paused = await serve('paused');
    await paused.said('leading');
    other = await serve('other');
  });
  afterAll(async () => {
    for (const served of [paused, other]) {
      served?.signal('SIGCONT');
      served?.signal('SIGKILL');
      await served?.exited;
    }
    await cluster?.destroy();
  });

  it('writes nothing any more when it goes on: the next one has finished the restore, and it is one', async () => {
    const body = { set: 'latest', identity: { secret: { namespace: 'default', name: 'identity', key: 'age' } } };
    const response = await paused.send('POST', 'restores', body);
    expect(response.status, await response.clone().text()).toBe(202);
    const { id } = (await response.json()) as Operation;
    await waitFor('the restore is in its middle', async () => (await there()).size > 50 || undefined, {
      timeoutMs: 60_000,
      intervalMs: 10,
    });
    paused.signal('SIGSTOP');
    const before = (await there()).size;
    expect(before).toBeLessThan(objects);

    await other.said('leading', 60_000);
    const ended = await waitFor(
      'the restore has ended',
      async () => {
        const operation = await other.get<Operation>(`operations/${id}`);
        return ['Pending', 'Running'].includes(operation.phase) ? undefined : operation;
      },
      { timeoutMs: 90_000 },
    );
    expect(ended).toMatchObject({ phase: 'Completed', summary: { problems: [], totals: { fail: 0 } } });
    const restored = await there();
    expect(restored.size).toBe(objects);

    paused.signal('SIGCONT');
    await paused.said('not leading any more', 60_000);
    expect(await there()).toEqual(restored);
    const { items } = await other.get<{ items: Operation[] }>('restores');
    expect(items.map(({ id: each, phase }) => [each, phase])).toEqual([[id, 'Completed']]);
    const told = await other.get<{ items: { details: { phase: string } }[] }>('ledger?action=restore.ended');
    expect(told.items.map(({ details }) => details.phase)).toEqual(['Completed']);
  });
});
