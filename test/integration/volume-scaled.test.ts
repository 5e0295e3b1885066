import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { createLease, type Lease } from '../../src/cluster/lease.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { at, type JsonObject } from '../../src/domain/json.ts';
import { configMaps, leases, pods } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { createScaledWorkloads, type ScaledWorkloads } from '../../src/volumes/scaled-workloads.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { kindOf } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, nameOf, never, testVolumeSettings } from '../helpers/volumes.ts';

const deployments = kindOf('deployments.apps/v1 Deployment');
const home = testVolumeSettings.namespace;
const place = { namespace: 'agents', claim: 'data' };
const finalizer = 'holdfast.dev/test';
const options = { set: '20261123T020000Z-daily-k3f9', signal: never };

/** The control plane is real, and nothing runs on it: pods are made and deleted. */
describe('workloads that are scaled down while a claim is written', () => {
  const cluster = withCluster();
  let api: ClusterApi;
  let objects: Objects;
  let warnings: string[];

  beforeAll(async () => {
    api = await connectTo(cluster());
    objects = createObjects(api, testRuntime);
    for (const name of [home, place.namespace]) await makeNamespace(objects, name);
  });
  afterAll(() => api?.close());
  beforeEach(() => {
    warnings = [];
  });

  /** `open`: may it still read and write? Not once it was killed, or its fence is closed. `calls`: what it has asked for. */
  const workloads = ({ open = () => true, calls = [] }: { open?: () => boolean; calls?: string[] } = {}): ScaledWorkloads => {
    const guarded = <T extends object>(port: T): T =>
      new Proxy(port, {
        get: (target, name) => {
          const own = Reflect.get(target, name) as unknown;
          if (typeof own !== 'function') return own;
          return async (...args: unknown[]): Promise<unknown> => {
            if (!open()) throw new HoldfastError('NOT_LEADER', 'another one leads');
            const result = (await Reflect.apply(own, target, args)) as unknown;
            calls.push(`${String(name)} ${(args[0] as { resource?: string }).resource ?? ''}`);
            return result;
          };
        },
      });
    const lease = (name: string): Lease => guarded(createLease(api, { namespace: home, name }));
    return createScaledWorkloads({
      ...{ objects: guarded(objects), lease, settings: testVolumeSettings, runtime: testRuntime, waitMs: 3_000 },
      ...{ monotonic: () => performance.now(), onWarning: text => void warnings.push(text) },
    });
  };
  async function deploy(name: string, finalizers: readonly string[] = [], claimNames = [place.claim]): Promise<void> {
    const labels = { app: name };
    const volumes = claimNames.map(claimName => ({ name: claimName, persistentVolumeClaim: { claimName } }));
    const spec = { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'localhost/none:1' }], volumes };
    const template = { metadata: { labels, finalizers }, spec };
    await objects.create(
      deployments,
      { metadata: { name, namespace: place.namespace }, spec: { replicas: 2, selector: { matchLabels: labels }, template } },
      never,
    );
    await waitFor('its pods are made', async () => (await podsOf(name)).length === 2, { timeoutMs: 60_000, intervalMs: 100 });
  }
  const podsOf = (name: string): Promise<JsonObject[]> =>
    objects.list(pods, { namespace: place.namespace, labelSelector: `app=${name}` }, never);
  const replicas = async (name: string) => at(await objects.read(deployments, place.namespace, name, never), 'spec', 'replicas');
  const notes = () => objects.list(configMaps, { namespace: home, labelSelector: 'holdfast.dev/role=scaled' }, never);
  /** Pods with a finalizer end only now. */
  async function letGo(name: string): Promise<void> {
    for (const pod of await podsOf(name))
      await objects.merge(pods, place.namespace, nameOf(pod), { metadata: { finalizers: null } }, never);
  }
  async function nothingLeft(name: string): Promise<void> {
    const found = await objects.read(deployments, place.namespace, name, never);
    expect(JSON.stringify(at(found, 'metadata', 'annotations') ?? {})).not.toContain('holdfast.dev');
    expect(await notes()).toEqual([]);
    expect(await objects.list(leases, { namespace: home }, never)).toEqual([]);
    await objects.remove(deployments, place.namespace, name, never);
    const gone = async () => {
      await letGo(name);
      return (await podsOf(name)).length === 0;
    };
    await waitFor('its pods are gone', gone, { timeoutMs: 60_000, intervalMs: 100 });
  }
  /** As after the seconds in which nobody has renewed it. */
  async function leaseIsOver(): Promise<void> {
    for (const lease of await objects.list(leases, { namespace: home }, never)) await objects.remove(leases, home, nameOf(lease), never);
  }
  it('go back to what they had, where the first restore was killed while their pods still ended', async () => {
    await deploy('slow', [finalizer]);
    let open = true;
    const first = workloads({ open: () => open }).around(place, options, async () => 'written');
    first.catch(() => {});
    await waitFor('it is scaled down', async () => (await replicas('slow')) === 0, { timeoutMs: 60_000, intervalMs: 50 });
    open = false;
    await leaseIsOver();
    const calls: string[] = [];
    const second = workloads({ calls }).around(place, options, async () => (await podsOf('slow')).length);
    await waitFor('it is scaled down again', async () => calls.includes('merge deployments'), { timeoutMs: 60_000, intervalMs: 50 });
    await letGo('slow');
    expect(await second).toBe(0);
    expect(await replicas('slow')).toBe(2);
    await expect(first).rejects.toBeDefined();
    await nothingLeft('slow');
  });

  it('are scaled up by whoever begins to lead, once the restore is over, whether it was killed or lost the lead', async () => {
    await deploy('app');
    const written = Promise.withResolvers<void>();
    let open = true;
    const lost = workloads({ open: () => open }).around(place, options, async () => {
      await written.promise;
      open = false;
      throw new HoldfastError('NOT_LEADER', 'another one leads');
    });
    lost.catch(() => {});
    await waitFor('it is scaled down', async () => (await podsOf('app')).length === 0, { timeoutMs: 60_000, intervalMs: 50 });
    // The restore is still at work.
    expect(await workloads().scaleUpLeft(never)).toEqual({ scaledUp: [], problems: [] });
    await expect(workloads().scaleUpNoted(nameOf((await notes())[0]), never)).rejects.toMatchObject({ code: 'MOVER_FAILED' });
    expect(await replicas('app')).toBe(0);
    written.resolve();
    await expect(lost).rejects.toMatchObject({ code: 'NOT_LEADER' });
    expect(warnings).toContainEqual(expect.stringContaining('what uses persistentvolumeclaims agents/data may still be scaled down'));
    expect(await replicas('app')).toBe(0);
    await leaseIsOver();
    // One that is taken up again scales up by itself.
    expect(await workloads().scaleUpLeft(never, [place])).toEqual({ scaledUp: [], problems: [] });
    const { scaledUp, problems } = await workloads().scaleUpLeft(never);
    expect(problems).toEqual([]);
    expect(scaledUp).toEqual([
      expect.stringMatching(/^deployments agents\/app: left scaled down by a restore of .* from 20261123T020000Z-daily-k3f9/),
    ]);
    expect(await replicas('app')).toBe(2);
    expect(await workloads().scaleUpLeft(never)).toEqual({ scaledUp: [], problems: [] });
    await nothingLeft('app');
  });

  it('stay down until the last of their claims is written', async () => {
    await deploy('both', [finalizer], ['data', 'more']);
    const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const calls: readonly string[][] = [[], []];
    const first = workloads({ calls: calls[0] ?? [] }).around(place, options, () => one.promise);
    await waitFor('it is scaled down', async () => calls[0]?.includes('merge deployments'), { timeoutMs: 60_000, intervalMs: 50 });
    const second = workloads({ calls: calls[1] ?? [] }).around({ ...place, claim: 'more' }, options, () => two.promise);
    await waitFor('for the other claim too', async () => calls[1]?.includes('merge deployments'), { timeoutMs: 60_000, intervalMs: 50 });
    await letGo('both');
    one.resolve();
    await first;
    expect(await replicas('both')).toBe(0);
    two.resolve();
    await second;
    expect(await replicas('both')).toBe(2);
    await nothingLeft('both');
  });

  it('that somebody has scaled up meanwhile stay as they are', async () => {
    await deploy('busy');
    await workloads().around(place, options, async () => {
      await objects.merge(deployments, place.namespace, 'busy', { spec: { replicas: 5 } }, never);
    });
    expect(await replicas('busy')).toBe(5);
    await nothingLeft('busy');
  });
});
