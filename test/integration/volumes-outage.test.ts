import { afterEach, beforeAll, expect, test } from 'vitest';
import type { BackupOutcome } from '../../src/domain/backup-set.ts';
import { at, isObject, type JsonObject, stringAt } from '../../src/domain/json.ts';
import { nodes, pods } from '../../src/volumes/kinds.ts';
import { apiJson } from '../cluster/api-request.ts';
import { nodeName } from '../cluster/kubelet.ts';
import { waitFor } from '../cluster/wait.ts';
import type { MishapProxy } from '../contract/object-store-proxy.ts';
import { describeCaptures, manifestOf } from '../helpers/captures.ts';
import { nameOf, namespaceOf, never } from '../helpers/volumes.ts';

const onlyData = { snapshots: false, data: true };
const movers = 'app.kubernetes.io/component=mover';
/** How long the store is away. */
const outageMs = 20_000;

/** What happens around a mover while it uploads: whole backups, held in the middle by a proxy before the store. */
describeCaptures(
  'while a mover uploads',
  ({ cluster, world, withClaims }) => {
    let proxy: MishapProxy;
    beforeAll(() => {
      const between = world().proxy;
      if (between === undefined) throw new Error('there is no proxy');
      proxy = between;
    });
    afterEach(async () => {
      release();
      await cordon(false);
    });

    /** `kubectl cordon`, or `uncordon`. */
    const cordon = (unschedulable: boolean) => world().objects.merge(nodes, '', nodeName, { spec: { unschedulable } }, never);

    /** As `kubectl drain` does. */
    const evict = async (pod: JsonObject): Promise<void> => {
      const metadata = { name: nameOf(pod), namespace: namespaceOf(pod) };
      const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/eviction`;
      await apiJson(cluster(), path, { method: 'POST', body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata } });
    };

    /** Refuses all packs from now on. Resolves once a mover wants to write one: it is in the middle. */
    const holdUploads = (): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      proxy.onRequest(({ method, url }) => {
        if (method !== 'PUT' || !url?.includes('/data/')) return undefined;
        resolve();
        return { kind: 'refuse' };
      });
      return promise;
    };
    const release = () => proxy.onRequest(() => undefined);
    const moverPods = (): Promise<JsonObject[]> => world().objects.list(pods, { labelSelector: movers }, never);
    /** A pod of a mover, other than the one before, that no node takes. */
    const unschedulable = (not: string) =>
      world().objects.observe(
        pods,
        { labelSelector: movers },
        found => [...found.values()].find(pod => nameOf(pod) !== not && conditionOf(pod, 'PodScheduled') === 'Unschedulable'),
        { timeoutMs: 90_000, signal: never },
      );

    /** Begins a backup of new data; resolves when its mover is in the middle. */
    const begin = async (namespace: string): Promise<{ readonly backup: Promise<BackupOutcome> }> => {
      await withClaims(namespace, ['data'], 'for i in $(seq 40); do head -c 500000 /dev/urandom > /data/$i; done; sync');
      const uploading = holdUploads();
      const backup = world().backUp(namespace, onlyData);
      await Promise.race([uploading, backup]);
      return { backup };
    };
    /** Drains the node of the only mover; gives its second pod, which no node takes. */
    const drain = async (): Promise<JsonObject> => {
      const [pod] = await moverPods();
      if (pod === undefined) throw new Error('no mover has a pod');
      await cordon(true);
      await evict(pod);
      const second = await unschedulable(nameOf(pod));
      if (second === undefined) throw new Error('there is no second try');
      return second;
    };
    const whole = { claim: 'data', state: 'captured', data: { files: 40, bytes: 20_000_000 } };

    test('its node is drained: it is tried once more when a node takes pods again, and the set is Completed', async () => {
      const { backup } = await begin('drained');
      await drain();
      release();
      await cordon(false);
      const manifest = manifestOf(await backup);
      expect(manifest).toMatchObject({ phase: 'Completed', problems: [], volumes: [whole] });
    });

    test('its second try is evicted too: the set is PartiallyFailed and says both reasons, and the next one is whole', async () => {
      const { backup } = await begin('evicted');
      await evict(await drain());
      const manifest = manifestOf(await backup);
      expect(manifest).toMatchObject({ phase: 'PartiallyFailed', volumes: [{ state: 'failed', code: 'MOVER_FAILED' }] });
      expect(manifest.problems).toMatchObject([
        {
          item: 'persistentvolumeclaims evicted/data',
          message: expect.stringMatching(/its pod was deleted; before that, .* ended by the cluster: EvictionByEvictionAPI/),
        },
      ]);
      release();
      await cordon(false);
      expect(manifestOf(await world().backUp('evicted', onlyData))).toMatchObject({ phase: 'Completed', volumes: [whole] });
    });

    test('its store is away for a while: it asks until that is back, and the set is Completed', async () => {
      const { backup } = await begin('away');
      await world().s3.goAway();
      const since = performance.now();
      let last = since;
      proxy.onRequest(() => {
        last = performance.now();
        return undefined;
      });
      await waitFor('the mover has asked in vain for a while', async () => last - since > outageMs, {
        timeoutMs: 150_000,
        intervalMs: 100,
      });
      await expect(fetch(world().s3.endpoint)).rejects.toThrow();
      await world().s3.comeBack();
      expect(manifestOf(await backup)).toMatchObject({ phase: 'Completed', problems: [], volumes: [whole] });
    });
  },
  { proxied: true },
);

function conditionOf(pod: JsonObject, type: string): string | undefined {
  const conditions = at(pod, 'status', 'conditions');
  return Array.isArray(conditions)
    ? stringAt(
        conditions.filter(isObject).find(one => one['type'] === type),
        'reason',
      )
    : undefined;
}
