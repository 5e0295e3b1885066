import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { configMaps, connectTo, inParallel, itemsOf, nameIn, namespaces, textsOf } from './cluster-api-kinds.ts';

const namespace = 'restarts';
const within = { timeoutMs: 90_000, intervalMs: 200 };
const body = (name: string, more: object = {}) => JSON.stringify({ metadata: { name }, ...more });

describe('while the API server restarts', () => {
  const cluster = withCluster({ controllers: false });
  let api: ClusterApi;

  beforeAll(async () => {
    api = await connectTo(cluster());
    await api.create(namespaces, '', body(namespace));
  });
  afterAll(() => api?.close());

  it('a list goes on where it was: nothing twice, nothing left out, one revision', async () => {
    const data = { filler: 'x'.repeat(2000) };
    await inParallel(3000, 40, i => api.create(configMaps, namespace, body(`object-${String(i).padStart(4, '0')}`, { data })));
    const { texts, revision } = await itemsOf(api, configMaps, { namespace });

    const seen: string[] = [];
    let restarted = false;
    let later = '';
    const again = await api.list(
      configMaps,
      async batch => {
        seen.push(...textsOf(batch));
        if (restarted || seen.length < 800) return;
        restarted = true;
        await cluster().stopApiServer();
        await cluster().startApiServer();
        later = await api.create(configMaps, namespace, body('object-0000-later'));
      },
      { namespace },
    );
    expect(restarted).toBe(true);
    expect(seen).toEqual(texts);
    expect(again.items).toBe(3000);
    // The API server itself may write between any two lists.
    const laterRevision = (JSON.parse(later) as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
    expect(Number(again.revision)).toBeGreaterThanOrEqual(Number(revision));
    expect(Number(again.revision)).toBeLessThan(Number(laterRevision));
  });

  it('reads and writes wait for it', async () => {
    await cluster().stopApiServer();
    const calls = [api.get(configMaps, namespace, 'object-0000'), api.create(configMaps, namespace, body('patient'))];
    const [start, read, written] = await Promise.all([cluster().startApiServer(), ...calls]);
    expect(start).toBeUndefined();
    expect([read, written].map(text => nameIn(text ?? ''))).toEqual(['object-0000', 'patient']);
  });

  it('a watch that was cut says so', async () => {
    const { revision } = await itemsOf(api, configMaps, { namespace, limit: 1 });
    let events = 0;
    let tries = 0;
    const onEvent = () => {
      events += 1;
      return true;
    };
    const watch = api.watch(configMaps, { revision, timeoutSeconds: 600, namespace, onEvent });
    const ended = watch.then(
      () => 'ended',
      (thrown: { code?: string }) => thrown.code,
    );
    await waitFor(
      'the watch delivers',
      async () => {
        tries += 1;
        await api.create(configMaps, namespace, body(`event-${tries}`));
        return events > 0;
      },
      within,
    );
    await cluster().stopApiServer();
    // A server that goes down in order ends its watches; one that is killed cuts them.
    expect(['ended', 'CLUSTER_UNREACHABLE']).toContain(await ended);
    await cluster().startApiServer();
  });
});

describe('when etcd has forgotten a revision', () => {
  const cluster = withCluster({ controllers: false, apiServerArgs: ['--etcd-compaction-interval=1s'] });

  it('a list at exactly it and a watch from it are CLUSTER_EXPIRED', async () => {
    const api = await connectTo(cluster());
    const { metadata } = JSON.parse(await api.create(namespaces, '', body(namespace))) as { metadata: { resourceVersion: string } };
    await cluster().stopApiServer();
    await cluster().startApiServer(); // forgets what its cache held
    let changes = 0;
    const expired = (read: () => Promise<unknown>) => async () => {
      changes += 1;
      await api.create(configMaps, 'default', body(`change-${changes}`));
      return read().then(
        () => undefined,
        (thrown: { code?: string }) => thrown.code,
      );
    };
    const revision = metadata.resourceVersion;
    const list = expired(() => api.list(namespaces, () => {}, { exactRevision: revision }));
    expect(await waitFor('the list is refused', list, within)).toBe('CLUSTER_EXPIRED');
    const watch = expired(() => api.watch(namespaces, { revision, timeoutSeconds: 1, onEvent: () => true }));
    expect(await waitFor('the watch is refused', watch, within)).toBe('CLUSTER_EXPIRED');
    await api.close();
  });
});
