import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { everything } from '../../src/domain/selection.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { backUp, connect, type OpenLocation, openTestRepository, readJson } from '../helpers/journey.ts';
import { configmaps } from '../helpers/kinds.ts';

const counters: ResourceKind = { ...configmaps, group: 'holdfast.test', resource: 'counters', kind: 'Counter' };
const crds: ResourceKind = {
  ...configmaps,
  group: 'apiextensions.k8s.io',
  resource: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

const crd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'counters.holdfast.test' },
  spec: {
    group: 'holdfast.test',
    names: { kind: 'Counter', plural: 'counters', singular: 'counter', listKind: 'CounterList' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

describe('all kinds of a set are of one revision', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let raised = 0;
  /** So that what one run left behind is not in the way of the next. */
  let run = 0;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'instant', unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
    await api.create(crds, '', JSON.stringify(crd));
    await waitFor('counters are served', async () => (await api.discover()).kinds.some(kind => kind.resource === 'counters'), {
      timeoutMs: 20_000,
    });
    await waitFor('counters are listed', () => api.list(counters, () => {}), { timeoutMs: 20_000 });
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
    await cluster?.destroy();
  });

  const configmap = (name: string, count: number): string =>
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { count: String(count) } });
  const counter = (name: string, count: number): string =>
    JSON.stringify({ apiVersion: 'holdfast.test/v1', kind: 'Counter', metadata: { name }, count });

  /** Raises the counter first in the configmap, then in the custom resource, until told to stop; also makes and deletes objects of both. */
  async function raise(signal: AbortSignal): Promise<void> {
    await api.create(configmaps, 'default', configmap('pair', 0));
    await api.create(counters, 'default', counter('pair', 0));
    while (!signal.aborted) {
      const count = ++raised;
      await api.patch(configmaps, 'default', 'pair', { type: 'merge', body: JSON.stringify({ data: { count: String(count) } }) });
      await api.patch(counters, 'default', 'pair', { type: 'merge', body: JSON.stringify({ count }) });
      if (count % 10 === 0) {
        await api.create(configmaps, 'default', configmap(`passing-${run}-${count}`, count));
        await api.create(counters, 'default', counter(`passing-${run}-${count}`, count));
        if (count > 50) await api.delete(configmaps, 'default', `passing-${run}-${count - 50}`);
        if (count > 50) await api.delete(counters, 'default', `passing-${run}-${count - 50}`);
      }
    }
  }

  /** Backs up again and again while the counter is raised, `rounds` times at least and until it was raised `raises` times. */
  async function checkPairs(rounds: number, raises: number, read: ClusterApi = api): Promise<number> {
    const stop = new AbortController();
    raised = 0;
    run++;
    const writing = raise(stop.signal);
    const seen = new Set<number>();
    try {
      for (let round = 0; round < rounds || raised < raises; round++) {
        const outcome = await backUp(location, read, { ...everything, includeKinds: ['configmaps', 'counters.holdfast.test'] });
        if (outcome.phase !== 'Completed') throw new Error(`the backup ended ${JSON.stringify(outcome)}`);
        expect(outcome.manifest.consistency).toBe('instant');
        const objects = await readJson(location, outcome.manifest.id, entry => entry.namespace === 'default');
        const first = Number((objects.get('configmaps/pair') as { data: { count: string } } | undefined)?.data.count ?? -1);
        const second = Number((objects.get('counters/pair') as { count: number } | undefined)?.count ?? -1);
        expect([second, second + 1], `configmap ${first}, custom resource ${second}`).toContain(first);
        const passing = (resource: string): number[] =>
          [...objects.keys()]
            .filter(key => key.startsWith(`${resource}/passing-${run}-`))
            .map(key => Number(key.split('-')[2]))
            .sort((a, b) => a - b);
        const [maps, customs] = [passing('configmaps'), passing('counters')];
        const differing = [...maps.filter(n => !customs.includes(n)), ...customs.filter(n => !maps.includes(n))];
        expect(differing.length, `configmaps ${maps}, custom resources ${customs}`).toBeLessThanOrEqual(1);
        seen.add(first);
        await sleep(20);
      }
    } finally {
      stop.abort();
      await writing;
      for (const name of ['pair']) {
        await api.delete(configmaps, 'default', name);
        await api.delete(counters, 'default', name);
      }
    }
    return seen.size;
  }

  it('while a writer raises a counter first in a configmap and then in a custom resource: small kinds, read exactly', async () => {
    expect(await checkPairs(15, 2000)).toBeGreaterThan(5);
  });

  /** So many that the kind is listed and rolled forward. */
  async function fill(kind: ResourceKind, body: (name: string, count: number) => string): Promise<void> {
    await pLimit(40).map(Array.from({ length: 700 }).keys(), n => api.create(kind, 'default', body(`fill-${n}`, n)));
  }

  it('the same when a large list breaks off and begins anew, after small kinds were read at an earlier revision', async () => {
    await fill(configmaps, configmap);
    let broken = 0;
    const breaking: ClusterApi = {
      ...api,
      list: async (kind, sink, options = {}) => {
        const result = await api.list(kind, sink, options);
        if (kind.resource !== 'configmaps' || options.whole !== true) return result;
        broken++;
        throw new HoldfastError('CLUSTER_UNREACHABLE', 'the list was cut');
      },
    };
    expect(await checkPairs(5, 500, breaking)).toBeGreaterThan(2);
    expect(broken).toBeGreaterThanOrEqual(5);
  });

  it('the same with kinds so large that they are listed and rolled forward', async () => {
    await fill(counters, counter);
    expect(await checkPairs(5, 1000)).toBeGreaterThan(2);
  });
});
