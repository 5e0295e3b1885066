import { afterEach, beforeAll, expect, test } from 'vitest';
import type { BackupOutcome } from '../../src/domain/backup-set.ts';
import { at, isObject, type JsonObject, stringAt } from '../../src/domain/json.ts';
import type { RestoreOutcome } from '../../src/domain/restore-plan.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { runRestore } from '../../src/restore/run.ts';
import { nodes, pods } from '../../src/volumes/kinds.ts';
import { apiJson } from '../cluster/api-request.ts';
import { holdfastReference } from '../cluster/holdfast-image.ts';
import { nodeName } from '../cluster/kubelet.ts';
import { runPod } from '../cluster/pods.ts';
import { waitFor } from '../cluster/wait.ts';
import type { MishapProxy } from '../contract/object-store-proxy.ts';
import { describeCaptures, manifestOf } from '../helpers/captures.ts';
import { reader } from '../helpers/journey.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { nameOf, namespaceOf, never, testVolumeSettings } from '../helpers/volumes.ts';

const onlyData = { snapshots: false, data: true };
const movers = 'app.kubernetes.io/component=mover';
/** How long the store is away. */
const outageMs = 60_000;
const hash = 'cd /data && sha256sum * | sort';

/** Requests of movers: a method, and what their address contains. */
interface Requests {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  /** So many of them pass. */
  readonly after?: number;
}

/** What happens around a mover while it uploads: whole backups, held in the middle by a proxy before the store. */
describeCaptures(
  'while a mover uploads',
  ({ cluster, world, withClaims }) => {
    let proxy: MishapProxy;
    const mover = { ...testVolumeSettings.mover, image: holdfastReference, timeoutMs: 300_000 };
    const patient = { mover };
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

    /** Holds such requests back from now on, until `open`. `reached` resolves once there has been one of each: their movers are in the middle. */
    const hold = (...kinds: readonly Requests[]) => {
      const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const [seen, held] = [new Map<Requests, number>(), new Set<Requests>()];
      proxy.onRequest(({ method, url }) => {
        const kind = kinds.find(one => one.method === method && url?.includes(one.path));
        if (kind === undefined) return undefined;
        const before = seen.get(kind) ?? 0;
        seen.set(kind, before + 1);
        if (before < (kind.after ?? 0)) return undefined;
        held.add(kind);
        if (held.size === kinds.length) reached.resolve();
        return { kind: 'hold', until: gate.promise };
      });
      return { reached: reached.promise, open: gate.resolve };
    };
    /** Refuses all packs from now on. Resolves once a mover wants to write one: it is in the middle. */
    const refuseUploads = (): Promise<void> => {
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

    const fill = 'for i in $(seq 40); do head -c 500000 /dev/urandom > /data/$i; done; sync';
    /** Begins a backup of new data; resolves when its mover is in the middle. */
    const begin = async (namespace: string): Promise<{ readonly backup: Promise<BackupOutcome> }> => {
      await withClaims(namespace, ['data'], fill);
      const uploading = refuseUploads();
      const backup = world().backUp(namespace, onlyData);
      await Promise.race([uploading, backup]);
      return { backup };
    };
    const hashes = (namespace: string): Promise<string[]> =>
      Promise.all(
        ['one', 'two'].map(async claim => {
          const { log, exitCode } = await runPod(cluster(), {
            namespace,
            name: `hash-${claim}`,
            command: hash,
            claims: { '/data': claim },
          });
          expect(exitCode, log).toBe(0);
          return log;
        }),
      );
    /** A set of a namespace with two claims, and what lies in them; made once. */
    let both: Promise<{ readonly set: SetReader; readonly before: readonly string[] }> | undefined;
    const twoClaims = () => {
      both ??= (async () => {
        await withClaims('two', ['one', 'two'], fill);
        const { id } = manifestOf(await world().backUp('two', onlyData));
        return { set: await reader(world().location, id), before: await hashes('two') };
      })();
      return both;
    };
    /** How many sets have all but their manifest, at the least. */
    const indexes = async () => {
      const all = await Array.fromAsync(world().location.repository.store.list('backups/', { signal: never }));
      return all.filter(({ key }) => key.includes('/index-')).length;
    };
    const restore = (set: SetReader, target: string): Promise<RestoreOutcome> =>
      runRestore({
        ...{ reader: set, cluster: world().api, runtime: testRuntime, progress: noProgress, signal: AbortSignal.timeout(400_000) },
        options: { selection: { ...everything, includeNamespaces: ['two'] }, namespaceMapping: { two: target }, existing: 'skip' },
        volumes: { ...world().tools(patient), identities: [world().location.identity] },
      });
    const fromRepository = ['one', 'two'].map(claim => ({ claim, state: 'filled', source: 'repository' }));
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
          // A pod that no node has may be gone before it is seen that it was evicted.
          message: expect.stringMatching(
            /(its pod was deleted|ended by the cluster: EvictionByEvictionAPI.*); before that, .* ended by the cluster: EvictionByEvictionAPI/,
          ),
        },
      ]);
      release();
      await cordon(false);
      expect(manifestOf(await world().backUp('evicted', onlyData))).toMatchObject({ phase: 'Completed', volumes: [whole] });
    });

    test('claims of one restore are filled side by side', async () => {
      const { set, before } = await twoClaims();
      const downloads = ['one', 'two'].map(claim => ({ method: 'GET', path: `/volumes/two/${claim}/data/` }) as const);
      const { reached, open } = hold(...downloads);
      const restoring = restore(set, 'beside');
      // No mover can go on before both have asked for data.
      await Promise.race([reached, restoring]);
      const working = (await moverPods()).filter(pod => stringAt(pod, 'status', 'phase') === 'Running');
      expect(working).toHaveLength(2);
      open();
      release();
      const outcome = await restoring;
      expect(outcome.problems).toEqual([]);
      expect(outcome.volumes).toMatchObject(fromRepository);
      expect(await hashes('beside')).toEqual(before);
    });

    test('its store is away for a minute, in the middle of a backup and of a restore: both ask until it is back, and are whole', {
      timeout: 600_000,
    }, async () => {
      const { set, before } = await twoClaims();
      await withClaims('away', ['data'], fill);
      const kinds = [
        { method: 'PUT', path: '/volumes/away/data/data/' },
        { method: 'GET', path: '/volumes/two/one/data/', after: 1 },
      ] as const;
      const { reached, open } = hold(...kinds);
      const sets = await indexes();
      const backup = world().backUp('away', onlyData, { settings: patient, signal: AbortSignal.timeout(400_000) });
      const restoring = restore(set, 'restored');
      await Promise.race([reached, backup, restoring]);
      await waitFor('the objects are stored', async () => (await indexes()) > sets, { timeoutMs: 60_000, intervalMs: 100 });
      await world().s3.goAway();
      const asked = new Map<object, number>();
      proxy.onRequest(({ method, url }) => {
        const kind = kinds.find(one => one.method === method && url?.includes(one.path));
        if (kind !== undefined) asked.set(kind, (asked.get(kind) ?? 0) + 1);
        return undefined;
      });
      const since = performance.now();
      open();
      const minute = async () => performance.now() - since > outageMs && kinds.every(kind => (asked.get(kind) ?? 0) > 1);
      await waitFor('both have asked in vain for a minute', minute, { timeoutMs: 150_000, intervalMs: 100 });
      await expect(fetch(world().s3.endpoint)).rejects.toThrow();
      await world().s3.comeBack();
      expect(manifestOf(await backup)).toMatchObject({ phase: 'Completed', problems: [], volumes: [whole] });
      const outcome = await restoring;
      expect(outcome.problems).toEqual([]);
      expect(outcome.volumes).toMatchObject(fromRepository);
      expect(await hashes('restored')).toEqual(before);
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
