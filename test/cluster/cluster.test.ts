import { access, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { apiJson, apiRequest, createIfMissing, type KubeObject } from './api-request.ts';
import { startCluster } from './cluster.ts';
import { waitFor } from './wait.ts';
import { withCluster } from './with-cluster.ts';

const namespaces = '/api/v1/namespaces';
const namespace = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const guest = { name: 'guest', token: 'guest-token', groups: ['visitors'] };

const cluster = withCluster({ name: 'first', users: [guest] });

test('a started cluster is the pinned version and has its default service account', async () => {
  expect(await apiJson(cluster(), '/version')).toMatchObject({ gitVersion: 'v1.37.2', major: '1', minor: '37' });
  const account = await apiJson<KubeObject>(cluster(), `${namespaces}/default/serviceaccounts/default`);
  expect(account.kind).toBe('ServiceAccount');
});

test('its controllers work: a deleted owner takes its dependents along', async () => {
  const maps = `${namespaces}/default/configmaps`;
  const owner = await apiJson<{ metadata: { name: string; uid: string } }>(cluster(), maps, {
    method: 'POST',
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'owner' } },
  });
  const { name, uid } = owner.metadata;
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }];
  await createIfMissing(cluster(), maps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'dependent', ownerReferences } });
  await apiJson(cluster(), `${maps}/owner`, { method: 'DELETE' });
  const gone = async () => (await apiRequest(cluster(), `${maps}/dependent`)).status === 404;
  await waitFor('dependent deleted', gone, { timeoutMs: 90_000 });
});

test('a further user is known but may do nothing until a binding says so', async () => {
  const asGuest = { ...cluster(), token: guest.token };
  expect((await apiRequest(asGuest, namespaces)).status).toBe(403);
  expect((await apiRequest({ ...cluster(), token: 'nobody' }, namespaces)).status).toBe(401);
});

test('two clusters side by side share nothing', async () => {
  const second = await startCluster({ name: 'second', controllers: false });
  try {
    await createIfMissing(second, namespaces, namespace('only-in-second'));
    expect((await apiRequest(second, `${namespaces}/only-in-second`)).status).toBe(200);
    expect((await apiRequest(cluster(), `${namespaces}/only-in-second`)).status).toBe(404);
    expect((await apiRequest({ ...cluster(), token: second.token }, namespaces)).status).toBe(401);
  } finally {
    await second.destroy();
  }
});

test('an API server that was stopped comes back at the same address with its data', async () => {
  await createIfMissing(cluster(), namespaces, namespace('kept'));
  await cluster().stopApiServer();
  await expect(apiRequest(cluster(), '/version')).rejects.toThrow('ECONNREFUSED');
  await cluster().startApiServer();
  expect((await apiRequest(cluster(), `${namespaces}/kept`)).status).toBe(200);
});

test('stop keeps the data and destroy deletes it; both may be called twice', async () => {
  const short = await startCluster({ name: 'short', controllers: false });
  await short.stop();
  await short.stop();
  await expect(apiRequest(short, '/version')).rejects.toThrow('ECONNREFUSED');
  await access(short.dir);
  await short.destroy();
  await short.destroy();
  await expect(access(short.dir)).rejects.toThrow('ENOENT');
});

test('a start that is aborted leaves neither servers nor a directory', async () => {
  const signal = AbortSignal.timeout(1_000);
  const name = `aborted-${process.pid}`;
  await expect(startCluster({ name, signal })).rejects.toThrow('aborted');
  expect((await readdir(tmpdir())).filter(found => found.startsWith(`holdfast-${name}-`))).toEqual([]);
});
