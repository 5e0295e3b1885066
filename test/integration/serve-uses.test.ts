import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operationKey } from '../../src/repository/operation-records.ts';
import { digestLine, joinLines, parseLine, splitLines } from '../../src/repository/signed-lines.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { collect } from '../contract/repository-fixture.ts';
import { type ClusterGate, startClusterGate } from '../helpers/cluster-gate.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';

const patience = { timeoutMs: 120_000, intervalMs: 50 };
const minute = 60_000;
const day = 24 * 60 * minute;

interface Operation {
  readonly id: string;
  readonly phase: string;
}

/** By people who know nothing of the service: they have the repository alone. */
describe('what a service restores and verifies, beside deletions by hand', () => {
  let dir: string;
  let cluster: TestCluster;
  let gate: ClusterGate;
  let store: ObjectStore;
  let served: Served;
  let flags: string[];
  let sets: string[];

  beforeAll(async () => {
    dir = await tempDir('serve-uses');
    cluster = await startCluster({ name: 'serve-uses', controllers: false, unsafeNoFsync: true });
    gate = await startClusterGate(cluster, dir);
    const location = join(dir, 'repository');
    flags = ['--location', location, '--keys-dir', join(dir, 'keys')];
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', ...flags]));
    store = createFileStore(location);
    const settings = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { text: 'of the agents' } };
    await apiJson(cluster, '/api/v1/namespaces/default/configmaps', { method: 'POST', body: settings });
    sets = [];
    for (let n = 0; n < 3; n++) {
      const taken = await holdfast(['backup', 'create', '-o', 'name', ...flags, '--kubeconfig', cluster.kubeconfig]);
      sets.push(ok(taken).stdout.trim());
    }
    const age = await readFile(join(dir, 'keys', 'operator.identity'), 'utf8');
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'identity' }, stringData: { age } };
    await apiJson(cluster, '/api/v1/namespaces/default/secrets', { method: 'POST', body: secret });
    served = await serve('first');
    await served.said('leading', 120_000);
  }, 300_000);
  afterAll(async () => {
    gate?.open();
    served?.signal('SIGKILL');
    await served?.exited;
    await gate?.close();
    await store?.close();
    await cluster?.destroy();
  });

  const serve = (name: string) =>
    startServe({
      ...{ dir, name, kubeconfig: gate.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: 'policies: {}\n',
    });
  const uses = async () => (await collect(store.list('uses/'))).map(({ key }) => key);
  const remove = (set: string) => holdfast(['backup', 'delete', set, '--yes', ...flags]);
  const inUse = { exit: 1, stderr: expect.stringContaining('is being restored') };

  /** Begun, and not to end before the gate is opened: a restore asks for what is there of each kind. */
  async function restoring(set: string): Promise<Operation> {
    gate.hold(({ url }) => url.includes('/configmaps'));
    const response = await served.send('POST', 'restores', {
      set,
      identity: { secret: { namespace: 'default', name: 'identity', key: 'age' } },
    });
    expect(response.status, await response.clone().text()).toBe(202);
    await waitFor('the service says that it reads the set', async () => (await uses()).length > 0, patience);
    return (await response.json()) as Operation;
  }

  const ended = (id: string) =>
    waitFor(
      `${id} has ended`,
      async () => {
        const operation = await served.get<Operation>(`operations/${id}`);
        return !['Pending', 'Running'].includes(operation.phase) && operation;
      },
      patience,
    );

  /** Writes a record of two lines as it would be had it been written so long before. */
  async function age(key: string, field: 'at' | 'createdAt', ms: number): Promise<void> {
    const file = join(dir, 'repository', key);
    const record = parseLine(splitLines(await readFile(file), key).content, key) as Record<string, unknown>;
    const before = new Date(Date.parse(String(record[field])) - ms);
    const line = JSON.stringify({ ...record, [field]: before.toISOString() });
    await writeFile(file, joinLines(line, digestLine(Buffer.from(line))));
    await utimes(file, before, before);
  }

  it('are in use by what the service says of them, and no more as soon as they have ended', async () => {
    const [set = ''] = sets;
    const { id } = await restoring(set);
    expect(await uses()).toEqual([expect.stringContaining(`uses/${set}/`)]);
    expect(await remove(set)).toMatchObject(inUse);
    // Its record speaks for it for a day; a restore may take longer.
    await age(operationKey(id, 'request.json'), 'createdAt', 2 * day);
    expect(await remove(set)).toMatchObject({ ...inUse, stderr: expect.stringContaining('being restored by alice') });
    gate.open();
    await ended(id);
    expect(await uses()).toEqual([]);

    const verified = await served.send('POST', 'verifications', { set });
    expect(verified.status, await verified.clone().text()).toBe(202);
    expect(await ended(((await verified.json()) as Operation).id)).toMatchObject({ phase: 'Completed' });
    expect(await uses()).toEqual([]);
    ok(await remove(set));
  }, 300_000);

  it('are in use no more when the service that follows a killed one has ended that', async () => {
    const [, set = ''] = sets;
    const { id } = await restoring(set);
    const verified = await served.send('POST', 'validations', {
      ...{ set, identity: { secret: { namespace: 'default', name: 'identity', key: 'age' } } },
    });
    expect(verified.status, await verified.clone().text()).toBe(202);
    await waitFor('the service reads it twice', async () => (await uses()).length === 2, patience);
    served.signal('SIGKILL');
    await served.exited;
    served = await serve('follower');
    await served.said('leading', 120_000);
    gate.open();
    expect(await ended(id)).toMatchObject({ phase: 'Completed' });
    // A validation is not taken up again.
    await waitFor('nothing says any more that the set is read', async () => (await uses()).length === 0, patience);
  }, 300_000);

  it('are in nobody’s way for ever where the service was killed and nobody follows it', async () => {
    const [, set = ''] = sets;
    const { id } = await restoring(set);
    served.signal('SIGKILL');
    await served.exited;
    expect(await remove(set)).toMatchObject(inUse);
    const [use = ''] = await uses();
    await age(use, 'at', 31 * minute);
    // The service that leads next would take it up again.
    expect(await remove(set)).toMatchObject({ ...inUse, stderr: expect.stringContaining(`operation ${id}`) });
    await age(operationKey(id, 'request.json'), 'createdAt', day);
    ok(await remove(set));
    ok(await holdfast(['retention', 'run', '--yes', ...flags]));
    expect(await uses()).toEqual([]);
  }, 300_000);
});
