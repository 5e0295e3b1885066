import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi, ItemBatch } from '../../src/cluster/cluster-api.ts';
import type { KindRecord, Manifest } from '../../src/domain/backup-set.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { everything } from '../../src/domain/selection.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { backUp, connect, type OpenLocation, openTestRepository, readJson } from '../helpers/journey.ts';
import { configmaps } from '../helpers/kinds.ts';

/** More than this many are listed and rolled forward, not read exactly. */
const large = 600;
const selection = { ...everything, includeNamespaces: [], includeKinds: ['configmaps', 'secrets', 'serviceaccounts'] };
const gone = () => new HoldfastError('CLUSTER_EXPIRED', 'the provided resource version is too old');

/** ADR 1, step 7. */
describe('a backup whose revision the server has dropped', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;

  beforeAll(async () => {
    // Without its cache the server asks etcd for every list, and etcd knows nothing from before a compaction.
    cluster = await startCluster({ name: 'backup-expired', unsafeNoFsync: true, apiServerArgs: ['--watch-cache=false'] });
    api = await connect(cluster);
    location = await openTestRepository();
    await make('few', 20);
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
    await cluster?.destroy();
  });

  async function make(prefix: string, count: number): Promise<void> {
    await pLimit(20).map(Array.from({ length: count }).keys(), n => write(`${prefix}-${n}`));
  }

  async function write(name: string): Promise<void> {
    await api.create(configmaps, 'default', JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { name } }));
  }

  async function take(from: ClusterApi): Promise<{ manifest: Manifest; record: KindRecord; names: string[] }> {
    const outcome = await backUp(location, from, selection);
    if (outcome.phase === 'Failed') throw new Error(outcome.error.message);
    const { manifest } = outcome;
    expect([manifest.phase, manifest.problems]).toEqual(['Completed', []]);
    const objects = await readJson(location, manifest.id, entry => entry.resource === 'configmaps' && entry.namespace === 'default');
    const names = [...objects.keys()].map(key => key.replace('configmaps/', '')).filter(name => /^(few|many|late)-/.test(name));
    return { manifest, record: manifest.kinds.find(kind => kind.resource === 'configmaps')!, names };
  }

  async function expectAll(names: readonly string[]): Promise<void> {
    const live: string[] = [];
    await api.list(configmaps, ({ buffer, ends }) => {
      for (const [i, end] of ends.entries()) {
        const { metadata } = JSON.parse(Buffer.from(buffer.subarray(ends[i - 1] ?? 0, end)).toString());
        if (/^(few|many|late)-/.test(metadata.name)) live.push(metadata.name);
      }
    });
    expect(names.toSorted()).toEqual(live.sort());
  }

  /** Of configmaps: exact lists and watches are answered with 410, each as often as is said; `late` is written while a large list arrives. */
  function forgetting(faults: { exact: number; watches: number; late?: string }): ClusterApi {
    return {
      ...api,
      list: async (kind, sink, options) => {
        if (kind.resource === 'configmaps' && options?.exactRevision !== undefined && faults.exact-- > 0) {
          // Half of it had come when the server gave up.
          await api.list(kind, sink, { ...options, limit: 5 });
          throw gone();
        }
        if (kind.resource !== 'configmaps' || options?.whole !== true) return api.list(kind, sink, options);
        const late = async (batch: ItemBatch): Promise<void> => {
          const { late: name } = faults;
          delete faults.late;
          if (name !== undefined) await write(name);
          await sink(batch);
        };
        return api.list(kind, late, options);
      },
      watch: async (kind, options) => {
        if (kind.resource === 'configmaps' && faults.watches-- > 0) throw gone();
        return api.watch(kind, options);
      },
    };
  }

  /** The revision that all other kinds are of, which is one. */
  function instantOf({ kinds }: Manifest): number {
    const others = kinds.filter(({ resource, count }) => resource !== 'configmaps' && count > 0);
    expect(others.length).toBeGreaterThan(0);
    expect(others.map(({ consistency }) => consistency)).toEqual(others.map(() => 'instant'));
    const revisions = new Set(others.map(({ revision }) => revision));
    expect(revisions.size).toBe(1);
    return Number([...revisions][0]);
  }

  it('reads a small kind by itself, holds each object once, and says that it is of a revision of its own', async () => {
    const faults = { exact: 1, watches: 0 };
    const { manifest, record, names } = await take(forgetting(faults));
    expect(faults.exact).toBeLessThanOrEqual(0);
    expect(manifest.consistency).toBe('per-kind');
    expect(record).toMatchObject({ consistency: 'per-kind', attempt: 2 });
    expect(instantOf(manifest)).toBeGreaterThan(0);
    await expectAll(names);
  });

  it('does so when etcd compacts the revision between two lists', async ({ skip }) => {
    const { etcdUrl } = cluster;
    if (etcdUrl === undefined) return skip('its etcd is out of reach');
    let compacted = 0;
    const compacting: ClusterApi = {
      ...api,
      list: async (kind, sink, options) => {
        if (kind.resource === 'configmaps' && options?.exactRevision !== undefined && compacted === 0) {
          await write('late-1');
          compacted = await compact(etcdUrl);
        }
        return api.list(kind, sink, options);
      },
    };
    const { manifest, record, names } = await take(compacting);
    expect(compacted).toBeGreaterThan(instantOf(manifest));
    expect(manifest.consistency).toBe('per-kind');
    expect(record.consistency).toBe('per-kind');
    expect(Number(record.revision)).toBeGreaterThanOrEqual(compacted);
    // What was written after the set's revision is in the list that was taken instead.
    expect(names).toContain('late-1');
    await expectAll(names);
  });

  describe('with a kind so large that it is listed and rolled forward', () => {
    beforeAll(() => make('many', large));

    it('lists it again at the set’s revision when the way there is gone: the set stays of one instant', async () => {
      const faults = { exact: 0, watches: 1_000, late: 'late-2' };
      const { manifest, record, names } = await take(forgetting(faults));
      expect(faults.watches).toBeLessThan(1_000);
      expect(manifest.consistency).toBe('instant');
      expect(record).toMatchObject({ consistency: 'instant', revision: manifest.revision });
      expect(record.attempt).toBeGreaterThan(1);
      expect(names).toContain('late-2');
      await expectAll(names);
    });

    it('reads it by itself when that revision is gone too', async () => {
      const faults = { exact: 1, watches: 1_000, late: 'late-3' };
      const { manifest, record, names } = await take(forgetting(faults));
      expect(faults.exact).toBeLessThanOrEqual(0);
      expect([manifest.consistency, record.consistency]).toEqual(['per-kind', 'per-kind']);
      await expectAll(names);
    });
  });
});

/** Drops all history up to now, and says up to which revision: etcd's own API, by its gateway for JSON. */
async function compact(etcdUrl: string): Promise<number> {
  const call = async (path: string, body: object): Promise<{ header?: { revision?: string } }> => {
    const response = await fetch(`${etcdUrl}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`etcd ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as { header?: { revision?: string } };
  };
  const { header } = await call('range', { key: Buffer.from('/registry/namespaces/default').toString('base64') });
  const revision = Number(header?.revision);
  await call('compaction', { revision: String(revision), physical: true });
  return revision;
}
