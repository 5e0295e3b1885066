import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi, ListOptions } from '../../src/cluster/cluster-api.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { customDefinition } from '../helpers/custom-definition.ts';
import { backUp, connect, type OpenLocation, openTestRepository, readJson } from '../helpers/journey.ts';
import { configmaps } from '../helpers/kinds.ts';

/** The two halves of a pair lie in namespaces of their own, so that reads namespace by namespace are told apart as well. */
const places = { configmaps: 'first', counters: 'second' } as const;
const namespaces: ResourceKind = { ...configmaps, resource: 'namespaces', kind: 'Namespace', namespaced: false };
const counters: ResourceKind = { ...configmaps, group: 'holdfast.test', resource: 'counters', kind: 'Counter' };
const crds: ResourceKind = {
  ...configmaps,
  group: 'apiextensions.k8s.io',
  resource: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
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
    for (const name of Object.values(places))
      await api.create(namespaces, '', JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }));
    await api.create(crds, '', JSON.stringify(customDefinition('Counter', 'counters')));
    await waitFor('counters are served', async () => (await api.discover()).kinds.some(kind => kind.resource === 'counters'), {
      timeoutMs: 90_000,
    });
    await waitFor('counters are listed', () => api.list(counters, () => {}), { timeoutMs: 90_000 });
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
    await cluster?.destroy();
  });

  type Body = (name: string, count: number, labels?: Readonly<Record<string, string>>) => string;
  const configmap: Body = (name, count, labels = {}) =>
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels }, data: { count: String(count) } });
  const counter: Body = (name, count, labels = {}) =>
    JSON.stringify({ apiVersion: 'holdfast.test/v1', kind: 'Counter', metadata: { name, labels }, count });
  const written = { written: 'meanwhile' };

  /** Makes one object of each kind, the configmap first. */
  async function makePair(name: string, count: number): Promise<void> {
    await api.create(configmaps, places.configmaps, configmap(name, count, written));
    await api.create(counters, places.counters, counter(name, count, written));
  }

  async function removePair(name: string): Promise<void> {
    await api.delete(configmaps, places.configmaps, name);
    await api.delete(counters, places.counters, name);
  }

  /** Raises the counter first in the configmap, then in the custom resource, until told to stop; also makes and deletes objects of both. */
  async function raise(signal: AbortSignal): Promise<void> {
    await makePair('pair', 0);
    while (!signal.aborted) {
      const count = raised + 1;
      const half = { type: 'merge', body: JSON.stringify({ data: { count: String(count) } }) } as const;
      await api.patch(configmaps, places.configmaps, 'pair', half);
      await api.patch(counters, places.counters, 'pair', { type: 'merge', body: JSON.stringify({ count }) });
      if (count % 10 === 0) {
        await makePair(`passing-${run}-${count}`, count);
        if (count > 50) await removePair(`passing-${run}-${count - 50}`);
      }
      raised = count;
    }
  }

  interface Reading {
    readonly read?: ClusterApi;
    readonly selection?: Partial<Selection>;
  }

  /** Backs up again and again while the counter is raised, `rounds` times at least and until it was raised `raises` times. Returns how many counts it saw. */
  async function checkPairs(rounds: number, raises: number, { read = api, selection = {} }: Reading = {}): Promise<number> {
    const stop = new AbortController();
    raised = 0;
    run++;
    const writing = raise(stop.signal);
    const seen = new Set<number>();
    try {
      for (let round = 0; round < rounds || raised < raises; round++) {
        const before = raised;
        await waitFor('the counter is raised', async () => raised > before, { timeoutMs: 60_000, intervalMs: 5 });
        seen.add(await checkOne(read, { ...everything, includeKinds: ['configmaps', 'counters.holdfast.test'], ...selection }));
      }
    } finally {
      stop.abort();
      await writing;
      await removePair('pair');
    }
    return seen.size;
  }

  /** One backup; returns the count that it holds. */
  async function checkOne(read: ClusterApi, selection: Selection): Promise<number> {
    const outcome = await backUp(location, read, selection);
    if (outcome.phase !== 'Completed') throw new Error(`the backup ended ${JSON.stringify(outcome)}`);
    expect(outcome.manifest.consistency).toBe('instant');
    const objects = await readJson(
      location,
      outcome.manifest.id,
      entry => entry.namespace === places[entry.resource as keyof typeof places],
    );
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
    return first;
  }

  it('while a writer raises a counter first in a configmap and then in a custom resource: small kinds, read exactly', async () => {
    expect(await checkPairs(15, 2000)).toBeGreaterThan(5);
  });

  const filled = new Set<string>();
  /** So many that the kind is listed and rolled forward. */
  async function fill(kind: ResourceKind, body: Body): Promise<void> {
    if (filled.has(kind.resource)) return;
    filled.add(kind.resource);
    const place = places[kind.resource as keyof typeof places];
    await pLimit(40).map(Array.from({ length: 700 }).keys(), n => api.create(kind, place, body(`fill-${n}`, n)));
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
    expect(await checkPairs(5, 500, { read: breaking })).toBeGreaterThan(2);
    expect(broken).toBeGreaterThanOrEqual(5);
  });

  it('the same with kinds so large that they are listed and rolled forward', async () => {
    await fill(counters, counter);
    expect(await checkPairs(5, 1000)).toBeGreaterThan(2);
  });

  const byNamespace: Partial<Selection> = { includeNamespaces: Object.values(places) };
  const byLabel: Partial<Selection> = { labelSelector: 'written=meanwhile' };

  it.each<[string, Partial<Selection>]>([
    ['namespace, read one by one', byNamespace],
    ['label', byLabel],
    ['namespace and label', { ...byNamespace, ...byLabel }],
  ])('the same of a selection by %s: kinds of any size are read exactly, and in part', async (_, selection) => {
    await fill(configmaps, configmap);
    await fill(counters, counter);
    const { asked, read } = listening();
    expect(await checkPairs(4, 400, { read, selection })).toBeGreaterThan(2);
    expect(asked.length).toBeGreaterThan(0);
    const { includeNamespaces = [], labelSelector = '' } = selection;
    for (const options of asked) {
      expect(options.exactRevision).toMatch(/^\d+$/);
      expect(options.labelSelector ?? '').toBe(labelSelector);
      expect(includeNamespaces.length === 0 ? [undefined] : includeNamespaces).toContain(options.namespace);
    }
  });

  it('the same of a selection by patterns and names, which leaves out what a list and its changes bring along', async () => {
    await fill(configmaps, configmap);
    await fill(counters, counter);
    const { asked, read } = listening();
    const selection = { includeKinds: ['config*', 'counters.*'], includeNamespaces: ['fir*', 'sec*'], includeNames: ['pair', 'passing-*'] };
    expect(await checkPairs(4, 400, { read, selection })).toBeGreaterThan(2);
    expect(asked.some(options => options.whole === true)).toBe(true);
  });

  /** The whole lists of the two kinds, as a backup asks for them. */
  function listening(): { readonly asked: readonly ListOptions[]; readonly read: ClusterApi } {
    const asked: ListOptions[] = [];
    const read: ClusterApi = {
      ...api,
      list: (kind, sink, options = {}) => {
        if (kind.resource in places && options.limit === undefined) asked.push(options);
        return api.list(kind, sink, options);
      },
    };
    return { asked, read };
  }
});
