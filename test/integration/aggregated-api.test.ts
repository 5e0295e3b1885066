import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { everything } from '../../src/domain/selection.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { startExtensionServer } from '../helpers/extension-server.ts';
import { backUp, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';

const group = 'gauges.example.com';
const gauge = (name: string, value: string) =>
  `{"apiVersion":"${group}/v1","kind":"Gauge","metadata":{"name":"${name}","namespace":"default","resourceVersion":"7"},"value":${value}}`;
const items = [gauge('pressure', '9007199254740993'), gauge('heat', '0.10')];

describe('an API with revisions of its own', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let extension: { stop(): Promise<void> };
  let lists = 0;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'aggregated', unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
    // Far beyond any of etcd's: taken for one, it would become the set's.
    const revision = () => String(9_000_000_000 + ++lists);
    extension = await startExtensionServer(cluster, { group, resource: 'gauges', kind: 'Gauge', items, revision });
    const served = async () => {
      const { kinds, unavailable } = await api.discover();
      return unavailable.length === 0 && kinds.some(kind => kind.group === group);
    };
    await waitFor('the extension served', served, { timeoutMs: 120_000 });
  });
  afterAll(async () => {
    await extension?.stop();
    await api?.close();
    await location?.remove();
    await cluster?.destroy();
  });

  it('is backed up beside the others and named as such: they are of one instant, it is of a revision of its own', async () => {
    const outcome = await backUp(location, api, { ...everything, includeKinds: ['configmaps', 'namespaces', `*.${group}`] });
    if (outcome.phase === 'Failed') throw new Error(outcome.error.message);
    const { manifest } = outcome;
    expect([manifest.phase, manifest.problems]).toEqual(['Completed', []]);
    const record = manifest.kinds.find(kind => kind.group === group);
    expect(record).toMatchObject({ resource: 'gauges', count: 2, consistency: 'per-kind', revision: String(9_000_000_000 + lists) });
    expect(manifest.consistency).toBe('instant');
    expect(Number(manifest.revision)).toBeLessThan(9_000_000_000);
    for (const kind of manifest.kinds.filter(one => one.group === '' && one.count > 0)) {
      expect(kind).toMatchObject({ consistency: 'instant', revision: manifest.revision });
    }
    const held: string[] = [];
    await (await reader(location, manifest.id)).read(
      entry => entry.group === group,
      (_entry, json) => void held.push(json),
    );
    expect(held.sort()).toEqual([...items].sort());
  });

  it('is read once, and asked for no revision of the cluster', async () => {
    const before = lists;
    const outcome = await backUp(location, api, { ...everything, includeKinds: [`*.${group}`] });
    if (outcome.phase === 'Failed') throw new Error(outcome.error.message);
    expect(outcome.manifest).toMatchObject({ phase: 'Completed', objects: 2 });
    expect(lists).toBe(before + 1);
  });
});
