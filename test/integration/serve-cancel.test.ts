import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson, type KubeObject } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { type ClusterGate, startClusterGate } from '../helpers/cluster-gate.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly summary?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

const objects = 40;
const patience = { timeoutMs: 90_000, intervalMs: 20 };

describe('what a service has under way, and is asked to stop', () => {
  let dir: string;
  let cluster: TestCluster;
  let gate: ClusterGate;
  let service: Served;

  const ask = async (method: string, path: string, body?: object): Promise<Operation> => {
    const response = await service.send(method, path, body);
    const text = await response.text();
    expect(response.status, text).toBe(202);
    return JSON.parse(text) as Operation;
  };
  const ended = ({ id }: Operation): Promise<Operation> =>
    waitFor(
      `${id} has ended`,
      async () => {
        const operation = await service.get<Operation>(`operations/${id}`);
        return ['Pending', 'Running'].includes(operation.phase) ? undefined : operation;
      },
      patience,
    );
  /** Name to what changes with every write. */
  const configMaps = async (namespace: string): Promise<Map<string, string>> => {
    const { items } = await apiJson<{ items: KubeObject[] }>(cluster, `/api/v1/namespaces/${namespace}/configmaps`);
    return new Map(items.map(({ metadata: { name, ...more } }) => [name, `${more['uid']} ${more['resourceVersion']}`]));
  };
  const sets = async () => (await service.get<{ items: { tier: string; phase: string }[] }>('backups')).items;

  beforeAll(async () => {
    dir = await tempDir('cancel');
    cluster = await startCluster({ name: 'serve-cancel', controllers: false, unsafeNoFsync: true });
    await apiJson(cluster, '/api/v1/namespaces', { method: 'POST', body: { metadata: { name: 'work' } } });
    for (let n = 0; n < objects; n++) {
      const body = { metadata: { name: `settings-${n}` }, data: { n: String(n) } };
      await apiJson(cluster, '/api/v1/namespaces/work/configmaps', { method: 'POST', body });
    }
    gate = await startClusterGate(cluster, dir);
    const keys = ['--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')];
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', ...keys]));
    service = await startServe({
      ...{ dir, name: 'cancel', kubeconfig: gate.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: 'policies: {}\n',
    });
    await service.said('leading');
  });
  afterAll(async () => {
    service?.signal('SIGKILL');
    await service?.exited;
    await gate?.close();
    await cluster?.destroy();
  });

  it('a backup ends Cancelled, and no set of it is to be seen; the next one is complete', async () => {
    gate.hold(({ url }) => url.startsWith('/api/v1/configmaps'));
    const operation = await ask('POST', 'backups', { tier: 'stopped' });
    await waitFor('the backup is in its middle', async () => gate.held > 0, patience);
    expect(await service.get(`operations/${operation.id}`)).toMatchObject({ phase: 'Running' });
    await ask('DELETE', `operations/${operation.id}`);
    expect(await ended(operation)).toMatchObject({ phase: 'Cancelled', error: { message: 'cancelled by alice' } });
    await waitFor('nothing is asked for any more', async () => gate.held === 0, patience);
    gate.open();
    expect(await sets()).toEqual([]);
    const files = await readdir(join(dir, 'repository'), { recursive: true });
    expect(files.filter(name => name.endsWith('manifest.json'))).toEqual([]);
    const again = await service.send('DELETE', `operations/${operation.id}`);
    expect([again.status, ((await again.json()) as { code: string }).code]).toEqual([409, 'OPERATION_ENDED']);

    expect(await ended(await ask('POST', 'backups', { tier: 'again' }))).toMatchObject({ phase: 'Completed' });
    expect(await sets()).toMatchObject([{ tier: 'again', phase: 'Completed' }]);
    const told = await service.get<{ items: { action: string; actor: { name: string } }[] }>('ledger?action=operation.cancelled');
    expect(told.items.map(({ actor }) => actor.name)).toEqual(['alice']);
  });

  it('a restore ends Cancelled in its middle and writes nothing more; the same request completes it', async () => {
    const body = {
      ...{ set: 'latest', selection: { includeNamespaces: ['work'] }, namespaceMapping: { work: 'copy' } },
      identity: { value: await readFile(join(dir, 'keys', 'operator.identity'), 'utf8') },
    };
    let passed = 0;
    gate.hold(({ method, url }) => method !== 'GET' && url.includes('/namespaces/copy/configmaps') && ++passed > 10);
    const operation = await ask('POST', 'restores', body);
    await waitFor('the restore is in its middle', async () => gate.held > 0 && (await configMaps('copy')).size === 10, patience);
    await ask('DELETE', `restores/${operation.id}`);
    expect(await ended(operation)).toMatchObject({ phase: 'Cancelled', error: { message: 'cancelled by alice' } });
    await waitFor('nothing is asked for any more', async () => gate.held === 0, patience);
    gate.open();
    const written = await configMaps('copy');
    expect(written.size).toBe(10);

    expect(await ended(await ask('POST', 'restores', body))).toMatchObject({ phase: 'Completed', summary: { problems: [] } });
    const all = await configMaps('copy');
    expect([...all.keys()].sort()).toEqual([...(await configMaps('work')).keys()].sort());
    for (const [name, version] of written) expect(all.get(name)).toBe(version);
  });
});
