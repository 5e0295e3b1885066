import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/domain/json.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { everything } from '../../src/domain/selection.ts';
import { untilAllowed } from '../cluster/allowed.ts';
import { apiJson, apiRequest } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { kindOf, restore } from '../helpers/restore.ts';

const namespaces = kindOf('namespaces/v1 Namespace', false);
const configMaps = kindOf('configmaps/v1 ConfigMap');

describe('a restore into an API server that bears one write at a time', () => {
  const operator = { name: 'operator', token: 'token-of-the-operator' };
  let cluster: TestCluster;
  let location: OpenLocation;

  beforeAll(async () => {
    const apiServerArgs = ['--enable-priority-and-fairness=false', '--max-mutating-requests-inflight=1', '--max-requests-inflight=20'];
    cluster = await startCluster({ name: 'restore-throttled', controllers: false, unsafeNoFsync: true, apiServerArgs, users: [operator] });
    // Members of system:masters are never turned away.
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' };
    const body = { metadata: { name: 'operator' }, roleRef, subjects: [{ kind: 'User', name: operator.name }] };
    await apiJson(cluster, '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', { method: 'POST', body });
    await untilAllowed(cluster, { user: operator.name }, { resource: 'configmaps', verb: 'create' });
    location = await openTestRepository();
  });
  afterAll(async () => {
    await cluster?.destroy();
    await location?.remove();
  });

  /** How many requests the API server has turned away, by its own count. */
  async function turnedAway(): Promise<number> {
    const { text } = await apiRequest(cluster, '/metrics');
    const counts = text.matchAll(/^apiserver_request_total\{[^}]*code="429"[^}]*\} (\S+)$/gm);
    return Array.from(counts, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0);
  }

  it('slows down for every 429 and brings everything', async () => {
    const api = await connect(cluster, operator.token);
    const make = (kind: ResourceKind, namespace: string, object: JsonObject) => api.create(kind, namespace, JSON.stringify(object));
    await make(namespaces, '', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'busy' } });
    for (let i = 0; i < 200; i++) {
      await make(configMaps, 'busy', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c-${i}` }, data: { i: `${i}` } });
    }
    const chosen = { ...everything, includeNamespaces: ['busy'] };
    const set = await reader(location, await completeBackup(location, api, chosen));
    const before = await turnedAway();
    const outcome = await restore(set, api, { selection: chosen, namespaceMapping: { busy: 'busy-2' } });
    expect(await turnedAway()).toBeGreaterThan(before);
    expect(outcome.problems).toEqual([]);
    expect(outcome.totals).toMatchObject({ create: 201, fail: 0 });
    await api.close();
  });
});
