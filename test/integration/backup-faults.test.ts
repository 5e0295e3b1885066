import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import type { BackupOutcome, Manifest } from '../../src/domain/backup-set.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { kindName, type ResourceKind } from '../../src/domain/resource.ts';
import { everything } from '../../src/domain/selection.ts';
import { listSets } from '../../src/repository/catalog.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { untilAllowed } from '../cluster/allowed.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { backUp, connect, type OpenLocation, openTestRepository, readJson } from '../helpers/journey.ts';
import { passing, passingDefinition, passingNamed } from '../helpers/passing-kind.ts';

function kind(group: string, resource: string, name: string, namespaced = true): ResourceKind {
  return { group, version: 'v1', resource, kind: name, namespaced, verbs: ['list', 'create', 'watch'], subresources: [] };
}
const configmaps = kind('', 'configmaps', 'ConfigMap');
const secrets = kind('', 'secrets', 'Secret');
const serviceAccounts = kind('', 'serviceaccounts', 'ServiceAccount');
const apiServices = kind('apiregistration.k8s.io', 'apiservices', 'APIService', false);
const crds = kind('apiextensions.k8s.io', 'customresourcedefinitions', 'CustomResourceDefinition', false);
const clusterRoles = kind('rbac.authorization.k8s.io', 'clusterroles', 'ClusterRole', false);
const clusterRoleBindings = kind('rbac.authorization.k8s.io', 'clusterrolebindings', 'ClusterRoleBinding', false);
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'served',
    (error: HoldfastError) => error.code,
  );

function manifestOf(outcome: BackupOutcome): Manifest {
  if (outcome.phase === 'Failed') throw new Error(`the backup failed: ${outcome.error.message}`);
  return outcome.manifest;
}

/** The same cluster, with something happening right before a kind is listed for real. */
function beforeListing(api: ClusterApi, resource: string, happen: (call: number) => Promise<void>): ClusterApi {
  let call = 0;
  return {
    ...api,
    list: async (listed, sink, options) => {
      if (kindName(listed) === resource && options?.limit === undefined) await happen(++call);
      return api.list(listed, sink, options);
    },
  };
}

describe('a backup of a cluster with faults', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'backup-faults', unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
    for (let i = 0; i < 30; i++) {
      await api.create(
        configmaps,
        'default',
        JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `settings-${i}` }, data: { i: `${i}` } }),
      );
    }
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
    await cluster?.destroy();
  });
  it('names an API group that does not answer, keeps everything else, and is not Completed', async () => {
    const body = {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.silent.example' },
      spec: {
        group: 'silent.example',
        version: 'v1beta1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { namespace: 'default', name: 'nobody' },
      },
    };
    await api.create(apiServices, '', JSON.stringify(body));
    try {
      await expect
        .poll(async () => (await api.discover()).unavailable.map(group => group.groupVersion), { timeout: 60_000 })
        .toContain('silent.example/v1beta1');
      const manifest = manifestOf(await backUp(location, api));
      expect(manifest.phase).toBe('PartiallyFailed');
      expect(manifest.problems.map(problem => [problem.item, problem.code])).toEqual([['silent.example/v1beta1', 'DISCOVERY_INCOMPLETE']]);
      expect(manifest.kinds.find(one => one.resource === 'configmaps')?.count).toBeGreaterThanOrEqual(30);
      const without = manifestOf(await backUp(location, api, { ...everything, excludeKinds: ['*.silent.example'] }));
      expect(without.phase).toBe('Completed');
    } finally {
      await api.delete(apiServices, '', 'v1beta1.silent.example');
      await expect.poll(async () => (await api.discover()).unavailable, { timeout: 60_000 }).toEqual([]);
    }
  });

  it('does not mind a kind whose definition is deleted while its objects are listed', async () => {
    await api.create(crds, '', passingDefinition);
    await expect.poll(async () => (await api.discover()).kinds.some(one => one.resource === 'passings'), { timeout: 60_000 }).toBe(true);
    await expect
      .poll(
        () =>
          api.create(passing, 'default', passingNamed('one')).then(
            () => true,
            () => false,
          ),
        { timeout: 60_000 },
      )
      .toBe(true);
    const gone = beforeListing(api, 'passings.holdfast.test', async () => {
      await api.delete(crds, '', 'passings.holdfast.test');
      await expect.poll(() => codeOf(api.list(passing, () => {})), { timeout: 60_000 }).toBe('CLUSTER_NOT_FOUND');
    });
    const manifest = manifestOf(await backUp(location, gone));
    expect(manifest.phase).toBe('Completed');
    expect(manifest.excluded).toContainEqual({ what: 'passings.holdfast.test', reason: 'the kind was deleted while the backup ran' });
    expect((await readJson(location, manifest.id, entry => entry.resource === 'passings')).size).toBe(0);
  });

  it('believes discovery, and no single 404, that a kind is gone', async () => {
    const answering404 = (times: number): ClusterApi => {
      let left = times;
      const refused = () => new HoldfastError('CLUSTER_NOT_FOUND', 'GET /api/v1/configmaps: 404 page not found');
      return {
        ...api,
        list: (listed, sink, options) =>
          listed.resource === 'configmaps' && listed.group === '' && left-- > 0
            ? Promise.reject(refused())
            : api.list(listed, sink, options),
      };
    };
    const brief = manifestOf(await backUp(location, answering404(2)));
    expect([brief.phase, brief.consistency]).toEqual(['Completed', 'instant']);
    expect(brief.kinds.find(one => one.resource === 'configmaps')?.count).toBeGreaterThanOrEqual(30);
    const lasting = manifestOf(await backUp(location, answering404(1_000)));
    expect(lasting.phase).toBe('PartiallyFailed');
    expect(lasting.problems).toEqual([
      { item: 'configmaps', code: 'CLUSTER_NOT_FOUND', message: expect.stringContaining('though the API server says that it serves it') },
    ]);
    expect(lasting.excluded.filter(({ reason }) => reason.includes('was deleted'))).toEqual([]);
  });

  it('takes a kind whole or not at all whose definition is deleted in the middle of the answer', async () => {
    await api.create(crds, '', passingDefinition);
    const make = (name: string) => api.create(passing, 'default', passingNamed(name, { text: 'x'.repeat(4_000) }));
    await expect.poll(() => make('first').then(Boolean, () => false), { timeout: 60_000 }).toBe(true);
    // Several pages and several batches.
    await pLimit(20).map(Array.from({ length: 1_200 }).keys(), n => make(`passing-${n}`));
    let deleted = false;
    const going: ClusterApi = {
      ...api,
      list: (listed, sink, options) => {
        if (kindName(listed) !== 'passings.holdfast.test' || options?.limit !== undefined) return api.list(listed, sink, options);
        return api.list(
          listed,
          async batch => {
            await sink(batch);
            if (deleted) return;
            deleted = true;
            await api.delete(crds, '', 'passings.holdfast.test');
            await expect.poll(() => codeOf(api.list(passing, () => {}, { limit: 1 })), { timeout: 60_000 }).toBe('CLUSTER_NOT_FOUND');
          },
          options,
        );
      },
    };
    const manifest = manifestOf(await backUp(location, going));
    expect(deleted).toBe(true);
    expect(manifest.phase).toBe('Completed');
    // At the set's revision it may have been there still.
    const vanished = manifest.excluded.some(({ what, reason }) => what === 'passings.holdfast.test' && /was deleted while/.test(reason));
    const held = await readJson(location, manifest.id, entry => entry.resource === 'passings');
    expect(held.size).toBe(vanished ? 0 : 1_201);
  });

  it('reads a kind again when its list breaks off in the middle, and holds each object once', async () => {
    let broken = 0;
    const breaking: ClusterApi = {
      ...api,
      list: async (listed, sink, options) => {
        if (listed.resource !== 'configmaps' || options?.limit !== undefined || broken >= 2) return api.list(listed, sink, options);
        broken++;
        await api.list(listed, sink, options);
        throw new HoldfastError('CLUSTER_UNREACHABLE', 'the connection was cut');
      },
    };
    const manifest = manifestOf(await backUp(location, breaking));
    expect(manifest.phase).toBe('Completed');
    const record = manifest.kinds.find(one => one.resource === 'configmaps')!;
    expect(record.attempt).toBe(3);
    const objects = await readJson(location, manifest.id, entry => entry.resource === 'configmaps' && entry.namespace === 'default');
    expect([...objects.keys()].filter(name => name.startsWith('configmaps/settings-')).length).toBe(30);
    expect((await readJson(location, manifest.id, entry => entry.resource === 'configmaps')).size).toBeLessThanOrEqual(record.count);
  });

  it('survives a restart of the API server in the middle', async () => {
    const restarting = beforeListing(api, 'configmaps', async call => {
      if (call > 1) return;
      await cluster.stopApiServer();
      void cluster.startApiServer();
    });
    const manifest = manifestOf(await backUp(location, restarting));
    expect(manifest.problems).toEqual([]);
    expect(manifest.phase).toBe('Completed');
    expect(manifest.kinds.find(one => one.resource === 'configmaps')?.count).toBeGreaterThanOrEqual(30);
  });

  it('says which kinds an account may not read, and takes the others', async () => {
    await api.create(serviceAccounts, 'default', '{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"half-blind"}}');
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'half-blind' },
      rules: [{ apiGroups: [''], resources: ['configmaps', 'namespaces'], verbs: ['get', 'list', 'watch'] }],
    };
    const binding = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'half-blind' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'half-blind' },
      subjects: [{ kind: 'ServiceAccount', name: 'half-blind', namespace: 'default' }],
    };
    const token = {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/service-account-token',
      metadata: { name: 'half-blind-token', annotations: { 'kubernetes.io/service-account.name': 'half-blind' } },
    };
    await api.create(clusterRoles, '', JSON.stringify(role));
    await api.create(clusterRoleBindings, '', JSON.stringify(binding));
    await api.create(secrets, 'default', JSON.stringify(token));
    const tokenOf = async (): Promise<string | undefined> =>
      (JSON.parse((await api.get(secrets, 'default', 'half-blind-token')) ?? '{}') as { data?: { token?: string } }).data?.token;
    await expect.poll(tokenOf, { timeout: 60_000 }).toBeDefined();
    await untilAllowed(cluster, { user: 'system:serviceaccount:default:half-blind' }, { resource: 'configmaps', verb: 'list' });
    const halfBlind = await connect(cluster, Buffer.from((await tokenOf())!, 'base64').toString());
    try {
      const manifest = manifestOf(
        await backUp(location, halfBlind, { ...everything, includeKinds: ['configmaps', 'secrets', 'namespaces'] }),
      );
      expect(manifest.phase).toBe('PartiallyFailed');
      expect(manifest.problems.map(problem => [problem.item, problem.code])).toEqual([['secrets', 'CLUSTER_FORBIDDEN']]);
      expect(manifest.problems[0]?.message).toContain('system:serviceaccount:default:half-blind');
      expect(manifest.kinds.find(one => one.resource === 'configmaps')?.count).toBeGreaterThanOrEqual(30);
      const none = await backUp(location, halfBlind, { ...everything, includeKinds: ['secrets'] });
      expect(none).toMatchObject({ phase: 'Failed', error: { code: 'CLUSTER_FORBIDDEN' } });
    } finally {
      await halfBlind.close();
    }
  });

  it('commits nothing when the store fails at any point', async () => {
    const { store, info } = location.repository;
    const count = async () => (await Array.fromAsync(listSets(location.repository, {}))).length;
    /** A backup whose nth file cannot be written; and how many it tried to write. */
    const failingAt = async (failAt: number): Promise<{ outcome: BackupOutcome; puts: number }> => {
      let puts = 0;
      const failing: ObjectStore = {
        ...bound(store),
        put: async (key, body, options) => {
          if (++puts === failAt) throw new HoldfastError('STORE_FULL', `no space left for ${key}`);
          return store.put(key, body, options);
        },
      };
      return { outcome: await backUp({ ...location, repository: { store: failing, info } }, api), puts };
    };
    const whole = await failingAt(Number.POSITIVE_INFINITY);
    expect(whole.outcome.phase).toBe('Completed');
    // Objects, Secrets, the index and the manifest at least.
    expect(whole.puts).toBeGreaterThanOrEqual(4);
    const before = await count();
    for (let failAt = 1; failAt <= whole.puts; failAt++) {
      const { outcome } = await failingAt(failAt);
      expect(outcome, `the ${failAt}th of ${whole.puts} files`).toMatchObject({ phase: 'Failed', error: { code: 'STORE_FULL' } });
      expect(await count()).toBe(before);
    }
  });
});

/** The methods of an adapter as a plain object, whether it is a class instance or not. */
function bound(store: ObjectStore): ObjectStore {
  return {
    url: store.url,
    put: store.put.bind(store),
    get: store.get.bind(store),
    head: store.head.bind(store),
    list: store.list.bind(store),
    listNames: store.listNames.bind(store),
    delete: store.delete.bind(store),
    close: store.close.bind(store),
  };
}
