import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import type { Manifest } from '../../src/domain/backup-set.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import { untilAllowed } from '../cluster/allowed.ts';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { startEtcd } from '../cluster/etcd.ts';
import type { GuardedProcess } from '../cluster/guarded-process.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { startExtensionServer } from '../helpers/extension-server.ts';
import { having } from '../helpers/having.ts';
import { backUp, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';

const group = 'gauges.example.com';
const gauge = (name: string, value: string) =>
  `{"apiVersion":"${group}/v1","kind":"Gauge","metadata":{"name":"${name}","namespace":"default","resourceVersion":"7"},"value":${value}}`;
const items = [gauge('pressure', '9007199254740993'), gauge('heat', '0.10')];

const { describe } = having('openssl');
/** May read all that is selected here, and not who serves it. */
const bounded = { name: 'reader', token: 'reader-token' };
const selection: Selection = { ...everything, includeKinds: ['configmaps', 'namespaces', 'limitranges', `*.${group}`] };

describe('an API with revisions of its own', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let extension: { stop(): Promise<void> };
  let otherEtcd: GuardedProcess;
  let lists = 0;

  beforeAll(async () => {
    // One kind in an etcd of its own, as large clusters have it.
    const etcd = await startEtcd(await tempDir('other-etcd'), { unsafeNoFsync: true });
    otherEtcd = etcd.process;
    const apiServerArgs = [`--etcd-servers-overrides=/limitranges#${etcd.url}`];
    cluster = await startCluster({ name: 'aggregated', unsafeNoFsync: true, users: [bounded], apiServerArgs });
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
    await otherEtcd?.stop();
  });

  async function complete(account: ClusterApi): Promise<Manifest> {
    const outcome = await backUp(location, account, selection);
    if (outcome.phase === 'Failed') throw new Error(outcome.error.message);
    expect([outcome.manifest.phase, outcome.manifest.problems]).toEqual(['Completed', []]);
    return outcome.manifest;
  }

  /** Whatever else there is: what the cluster's etcd holds is as it was at one moment. */
  function expectOneInstant(manifest: Manifest): void {
    expect(manifest.consistency).toBe('instant');
    expect(Number(manifest.revision)).toBeLessThan(9_000_000_000);
    for (const resource of ['configmaps', 'namespaces']) {
      const record = manifest.kinds.find(kind => kind.resource === resource);
      expect(record).toMatchObject({ consistency: 'instant', revision: manifest.revision });
    }
  }

  it('is backed up beside the others and named as such: they are of one instant, it is of a revision of its own', async () => {
    const manifest = await complete(api);
    const record = manifest.kinds.find(kind => kind.group === group);
    expect(record).toMatchObject({ resource: 'gauges', count: 2, consistency: 'per-kind', revision: String(9_000_000_000 + lists) });
    expectOneInstant(manifest);
    const held: string[] = [];
    await (await reader(location, manifest.id)).read(
      entry => entry.group === group,
      (_entry, json) => void held.push(json),
    );
    expect(held.sort()).toEqual([...items].sort());
  });

  it('is told by its revisions where an account may not look at who serves it', async () => {
    const rules = [{ apiGroups: ['', group], resources: ['*'], verbs: ['get', 'list'] }];
    const rights = '/apis/rbac.authorization.k8s.io/v1';
    await apiJson(cluster, `${rights}/clusterroles`, { method: 'POST', body: { metadata: { name: 'bounded' }, rules } });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'bounded' };
    const body = { metadata: { name: 'bounded' }, roleRef, subjects: [{ kind: 'User', name: bounded.name }] };
    await apiJson(cluster, `${rights}/clusterrolebindings`, { method: 'POST', body });
    await untilAllowed(cluster, { user: bounded.name }, { group, resource: 'gauges', verb: 'list' });
    const account = await connect(cluster, bounded.token);
    try {
      expect([...(await account.discover()).aggregatedGroups]).toEqual([]);
      const manifest = await complete(account);
      expect(manifest.kinds.find(kind => kind.group === group)).toMatchObject({ count: 2, consistency: 'per-kind' });
      expectOneInstant(manifest);
    } finally {
      await account.close();
    }
  });

  it('is also a kind that has an etcd of its own', async () => {
    const limits = { metadata: { name: 'limits', namespace: 'default' }, spec: { limits: [{ type: 'Container', max: { cpu: '2' } }] } };
    await apiJson(cluster, '/api/v1/namespaces/default/limitranges', { method: 'POST', body: limits });
    const manifest = await complete(api);
    const record = manifest.kinds.find(kind => kind.resource === 'limitranges');
    expect(record).toMatchObject({ count: 1, consistency: 'per-kind' });
    expect(Number(record?.revision)).toBeLessThan(Number(manifest.revision));
    expectOneInstant(manifest);
  });

  it('is read once, and asked for no revision of the cluster', async () => {
    const before = lists;
    const outcome = await backUp(location, api, { ...everything, includeKinds: [`*.${group}`] });
    if (outcome.phase === 'Failed') throw new Error(outcome.error.message);
    expect(outcome.manifest).toMatchObject({ phase: 'Completed', objects: 2 });
    expect(lists).toBe(before + 1);
  });
});
