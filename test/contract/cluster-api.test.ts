import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { testRuntime } from '../helpers/runtime.ts';
import {
  configMaps,
  connectionTo,
  connectTo,
  defineKind,
  definitions,
  inParallel,
  itemsOf,
  kindOf,
  nameIn,
  namespaces,
} from './cluster-api-kinds.ts';

const strangerToken = 'stranger-token';
const cluster = withCluster({ users: [{ name: 'stranger', token: strangerToken }] });
let api: ClusterApi;
let stranger: ClusterApi;
let created = 0;

beforeAll(async () => {
  api = await connectTo(cluster());
  stranger = await connectTo(cluster(), strangerToken);
});
afterAll(async () => {
  await api?.close();
  await stranger?.close();
});

async function newNamespace(): Promise<string> {
  created += 1;
  const name = `contract-${created}`;
  await api.create(namespaces, '', JSON.stringify({ metadata: { name } }));
  return name;
}

const body = (name: string, more: object = {}) => JSON.stringify({ metadata: { name }, ...more });
const within = { timeoutMs: 90_000, intervalMs: 100 };

describe('list', () => {
  it('gives 5,000 objects of a built-in kind byte by byte as single reads do, apiVersion and kind in front', {
    timeout: 300_000,
  }, async () => {
    const namespace = await newNamespace();
    const data = (i: number) => ({ text: `line "${i}" \\ \n { [ ü € 𝄞 \u0007`, more: 'x'.repeat(i % 3000), braces: '}}]]"' });
    await inParallel(5000, 40, i => api.create(configMaps, namespace, body(`object-${String(i).padStart(5, '0')}`, { data: data(i) })));
    const { texts, items, revision } = await itemsOf(api, configMaps, { namespace });
    const mine = texts.filter(text => nameIn(text).startsWith('object-'));
    expect(mine).toHaveLength(5000);
    expect(items).toBe(texts.length);
    expect(Number(revision)).toBeGreaterThan(5000);
    await inParallel(mine.length, 20, async i => {
      const text = mine[i] ?? '';
      const single = await api.get(configMaps, namespace, nameIn(text));
      expect(text.replace(/^\{"apiVersion":"v1","kind":"ConfigMap",/, '{')).toBe(
        single?.replace(/^\{"kind":"ConfigMap","apiVersion":"v1",/, '{'),
      );
    });
  });

  it('gives custom resources as they are: big numbers, unknown fields, keys in front of apiVersion', async () => {
    const namespace = await newNamespace();
    const widgets = await defineKind(api, 'widgets', 'Widget', ['v1']);
    const odd = '"Alpha":{"kind":"x"},"spec":{"big":9007199254740993,"max":9223372036854775807,"half":0.5,"unknown":{"ä":[null,true,"}"]}}';
    const text = `{${odd},"apiVersion":"test.io/v1","kind":"Widget","metadata":{"name":"odd"}}`;
    const stored = await api.create(widgets, namespace, text);
    expect(stored).toContain('"big":9007199254740993');
    expect(stored).toContain('"max":9223372036854775807');
    expect((await itemsOf(api, widgets, { namespace })).texts).toEqual([stored]);
    expect(await api.get(widgets, namespace, 'odd')).toBe(stored);
    expect(stored.match(/"apiVersion":"test.io\/v1"/g)).toHaveLength(2); // its own and its managedFields'
  });

  it('reads at an exact revision, or at one not older than another', async () => {
    const namespace = await newNamespace();
    const revisionOf = (text: string) => (JSON.parse(text) as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
    const first = revisionOf(await api.create(configMaps, namespace, body('first')));
    await api.delete(configMaps, namespace, 'first');
    const second = revisionOf(await api.create(configMaps, namespace, body('second')));
    const mine = async (options: object) => {
      const { texts, revision } = await itemsOf(api, configMaps, { namespace, ...options });
      return { names: texts.map(nameIn).filter(name => name !== 'kube-root-ca.crt'), revision };
    };
    expect(await mine({ exactRevision: first })).toEqual({ names: ['first'], revision: first });
    const now = await mine({ notOlderThan: second });
    expect(now.names).toEqual(['second']);
    expect(BigInt(now.revision)).toBeGreaterThanOrEqual(BigInt(second));
  });

  it('gives the first objects and how many remain, and follows a label selector', async () => {
    const namespace = await newNamespace();
    const name = (i: number) => `m-${i}`;
    await inParallel(6, 6, i =>
      api.create(configMaps, namespace, JSON.stringify({ metadata: { name: name(i), labels: { odd: String(i % 2) } } })),
    );
    const labelled = await itemsOf(api, configMaps, { namespace, labelSelector: 'odd=1' });
    expect(labelled.texts.map(nameIn)).toEqual(['m-1', 'm-3', 'm-5']);
    await waitFor('the CA bundle is there', async () => (await api.get(configMaps, namespace, 'kube-root-ca.crt')) !== undefined, within);
    expect(await itemsOf(api, configMaps, { namespace, limit: 2 })).toMatchObject({ items: 2, remaining: 5 });
  });

  it('of a kind without objects is empty, and has a revision', async () => {
    const { texts, revision } = await itemsOf(api, kindOf('apps', 'v1', 'daemonsets', 'DaemonSet', true));
    expect(texts).toEqual([]);
    expect(revision).toMatch(/^\d+$/);
  });

  it('of a kind that was just deleted is CLUSTER_NOT_FOUND', async () => {
    const passing = await defineKind(api, 'passings', 'Passing', ['v1']);
    await api.delete(definitions, '', 'passings.test.io');
    const error = await waitFor(
      'the kind is gone',
      () =>
        api
          .list(passing, () => {})
          .then(
            () => undefined,
            (thrown: unknown) => ({ thrown }),
          ),
      within,
    );
    expect(error.thrown).toMatchObject({ code: 'CLUSTER_NOT_FOUND', message: expect.stringContaining('/apis/test.io/v1/passings') });
  });
});

describe('access', () => {
  it('tells version and server', async () => {
    expect(await api.version()).toMatch(/^v\d+\.\d+/);
    expect(api.server).toBe(cluster().server);
  });

  it('without the right is CLUSTER_FORBIDDEN in the server’s words, for reads, watches and writes', async () => {
    const words = { code: 'CLUSTER_FORBIDDEN', message: expect.stringContaining('User "stranger" cannot') };
    await expect(stranger.list(configMaps, () => {})).rejects.toMatchObject(words);
    await expect(stranger.get(configMaps, 'default', 'a')).rejects.toMatchObject(words);
    await expect(stranger.create(configMaps, 'default', body('a'))).rejects.toMatchObject(words);
    const watch = stranger.watch(configMaps, { revision: '1', timeoutSeconds: 1, onEvent: () => true });
    await expect(watch).rejects.toMatchObject(words);
  });

  it('with a wrong token is CLUSTER_UNAUTHORIZED', async () => {
    const nobody = await connectTo(cluster(), 'wrong');
    await expect(nobody.version()).rejects.toMatchObject({ code: 'CLUSTER_UNAUTHORIZED' });
    await nobody.close();
  });

  it('to a server that another authority vouches for is CLUSTER_UNREACHABLE and says why, at once', async () => {
    const connection = await connectionTo(cluster());
    const untrusted = createClusterApi({ ...connection, tls: {} }, { runtime: testRuntime });
    const error = { code: 'CLUSTER_UNREACHABLE', message: expect.stringMatching(/certificate/) };
    await expect(untrusted.version()).rejects.toMatchObject(error);
    await untrusted.close();
    const careless = createClusterApi({ ...connection, tls: { insecure: true } }, { runtime: testRuntime });
    expect(await careless.version()).toBe(await api.version());
    await careless.close();
    const elsewhere = createClusterApi({ ...connection, tls: { ...connection.tls, servername: 'other.test' } }, { runtime: testRuntime });
    await expect(elsewhere.version()).rejects.toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
      message: expect.stringContaining('other.test'),
    });
    await elsewhere.close();
  });

  it('goes through the proxy that the kubeconfig names', async () => {
    const tunnels: string[] = [];
    const proxy = createServer().on('connect', (request, socket: Socket) => {
      tunnels.push(request.url ?? '');
      const [host, port] = (request.url ?? '').split(':');
      const onward = connect(Number(port), host, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      onward.pipe(socket).pipe(onward);
      for (const end of [onward, socket]) end.on('error', () => [onward, socket].map(one => one.destroy()));
    });
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
    const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const proxied = createClusterApi({ ...(await connectionTo(cluster())), proxyUrl }, { runtime: testRuntime });
    try {
      expect(await proxied.version()).toBe(await api.version());
      expect((await itemsOf(proxied, namespaces)).texts.map(nameIn)).toContain('default');
      expect(new Set(tunnels)).toEqual(new Set([new URL(cluster().server).host]));
    } finally {
      await proxied.close();
      await new Promise(resolve => proxy.close(resolve));
    }
  });
});
