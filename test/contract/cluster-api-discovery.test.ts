import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { legacyGroups } from '../../src/cluster/discovery-legacy.ts';
import { readJson } from '../../src/cluster/read-json.ts';
import { defaultRetry } from '../../src/cluster/retry.ts';
import { createTransport } from '../../src/cluster/transport.ts';
import { kindName } from '../../src/domain/resource.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { apiServices, connectionTo, connectTo, defineKind, kindOf } from './cluster-api-kinds.ts';

const strangerToken = 'stranger-token';
const cluster = withCluster({ controllers: false, users: [{ name: 'stranger', token: strangerToken }] });
const within = { timeoutMs: 90_000, intervalMs: 100 };
const body = (name: string, more: object = {}) => JSON.stringify({ metadata: { name }, ...more });
let api: ClusterApi;
let stranger: ClusterApi;

beforeAll(async () => {
  api = await connectTo(cluster());
  stranger = await connectTo(cluster(), strangerToken);
});
afterAll(async () => {
  await api?.close();
  await stranger?.close();
});

describe('discovery', () => {
  it('names every resource with its verbs, scope and subresources, sorted', async () => {
    const { kinds, unavailable } = await api.discover();
    const names = kinds.map(kindName);
    expect(names).toEqual([...names].sort());
    expect(new Set(names).size).toBe(names.length);
    expect(kinds.find(kind => kindName(kind) === 'configmaps')).toMatchObject({
      group: '',
      version: 'v1',
      kind: 'ConfigMap',
      namespaced: true,
    });
    expect(kinds.find(kind => kindName(kind) === 'namespaces')).toMatchObject({ namespaced: false, subresources: ['finalize', 'status'] });
    expect(kinds.find(kind => kindName(kind) === 'deployments.apps')?.subresources).toEqual(['scale', 'status']);
    expect(kinds.find(kind => kindName(kind) === 'tokenreviews.authentication.k8s.io')?.verbs).toEqual(['create']);
    expect(names.some(name => name.includes('/'))).toBe(false);
    expect(unavailable).toEqual([]);
  });

  it('is the same by the protocol of older servers', async () => {
    const transport = createTransport(await connectionTo(cluster()), {
      runtime: testRuntime,
      retry: defaultRetry,
      connections: 10,
      userAgent: 'test',
    });
    const groups = await Promise.all(
      (['/api', '/apis'] as const).map(async root => legacyGroups(transport, root, await readJson(transport, root, undefined), {})),
    );
    await transport.close();
    const { kinds, servedVersions } = await api.discover();
    const legacy = groups.flat();
    const preferred = legacy.filter(one => legacy.find(other => other.group === one.group) === one).flatMap(one => one.kinds);
    const sorted = (subresources: readonly string[]) => [...subresources].sort();
    for (const kind of preferred) {
      const same = kinds.find(other => kindName(other) === kindName(kind));
      expect({ ...same, subresources: sorted(same?.subresources ?? []) }).toEqual({ ...kind, subresources: sorted(kind.subresources) });
    }
    for (const [key, versions] of servedVersions) {
      const found = legacy.filter(one => one.kinds.some(kind => `${kind.group}/${kind.resource}` === key)).map(one => one.version);
      expect([key, found]).toEqual([key, versions]);
    }
  });

  it('knows a kind that was defined a moment ago, in its preferred version, and one that only another version has', async () => {
    await defineKind(api, 'gears', 'Gear', ['v1alpha1', 'v1'], 'fresh.test.io');
    await defineKind(api, 'oldgears', 'OldGear', ['v1alpha1'], 'fresh.test.io');
    const discovery = await waitFor(
      'both kinds are discovered',
      async () => {
        const found = await api.discover();
        const kinds = found.kinds.filter(kind => kind.group === 'fresh.test.io');
        // The versions of one kind come one after the other.
        return kinds.length === 2 && found.servedVersions.get('fresh.test.io/gears')?.length === 2 ? found : undefined;
      },
      within,
    );
    const versions = discovery.kinds
      .filter(kind => kind.group === 'fresh.test.io')
      .map(kind => [kind.resource, kind.version, kind.subresources]);
    expect(versions).toEqual([
      ['gears', 'v1', ['status']],
      ['oldgears', 'v1alpha1', ['status']],
    ]);
    expect(discovery.servedVersions.get('fresh.test.io/gears')).toEqual(['v1', 'v1alpha1']);
    expect(discovery.aggregatedGroups.has('fresh.test.io')).toBe(false);
  });

  it('names a group whose own API server does not answer, and goes on with the others', async () => {
    const service = { namespace: 'default', name: 'no-such-service' };
    const spec = {
      group: 'broken.test.io',
      version: 'v1',
      service,
      groupPriorityMinimum: 100,
      versionPriority: 10,
      insecureSkipTLSVerify: true,
    };
    await api.create(apiServices, '', body('v1.broken.test.io', { spec }));
    try {
      const discovery = await waitFor(
        'the group is unavailable',
        async () => {
          const found = await api.discover();
          // The aggregator looks at a new group in rounds; until then it may have another reason, or another new group to tell of.
          return found.unavailable.length === 1 && found.unavailable[0]?.message.includes('no-such-service') ? found : undefined;
        },
        within,
      );
      expect(discovery.unavailable).toEqual([{ groupVersion: 'broken.test.io/v1', message: expect.stringContaining('no-such-service') }]);
      expect([...discovery.aggregatedGroups]).toEqual(['broken.test.io']);
      expect(discovery.kinds.some(kind => kindName(kind) === 'configmaps')).toBe(true);
      const things = kindOf('broken.test.io', 'v1', 'things', 'Thing', true);
      await expect(api.list(things, () => {})).rejects.toMatchObject({
        code: 'CLUSTER_ERROR',
        message: expect.stringContaining('status 503'),
      });
    } finally {
      await api.delete(apiServices, '', 'v1.broken.test.io');
    }
  });

  it('works for an account that may not look at APIServices', async () => {
    const { kinds, aggregatedGroups } = await stranger.discover();
    expect(kinds.length).toBeGreaterThan(40);
    expect(aggregatedGroups.size).toBe(0);
  });
});
