import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import type { Manifest } from '../../src/domain/backup-set.ts';
import { kindName } from '../../src/domain/resource.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';

describe('what a backup takes of a cluster', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'backup-selection', unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
    for (const namespace of ['team-a1', 'team-a2', 'team-b1', 'other']) {
      const post = (collection: string, body: object) => apiJson(cluster, collection, { method: 'POST', body });
      await post('/api/v1/namespaces', { metadata: { name: namespace, labels: { app: 'web' } } });
      const inside = `/api/v1/namespaces/${namespace}`;
      const labels = { web: { app: 'web' }, cache: { app: 'web', tier: 'cache' }, api: { app: 'api' }, bare: {} };
      for (const [name, of] of Object.entries(labels)) {
        await post(`${inside}/configmaps`, { metadata: { name, labels: of }, data: { name } });
        await post(`${inside}/secrets`, { metadata: { name, labels: of }, stringData: { name } });
      }
      await post(`/apis/rbac.authorization.k8s.io/v1/clusterroles`, { metadata: { name: namespace, labels: { app: 'web' } }, rules: [] });
    }
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
    await cluster?.destroy();
  });

  /** A backup, with its objects as `<kind> <namespace>/<name>`, without those that a control plane makes by itself. */
  async function take(selection: Partial<Selection>): Promise<{ manifest: Manifest; objects: string[] }> {
    const asked = { ...everything, ...selection };
    const set = await reader(location, await completeBackup(location, api, asked));
    const objects: string[] = [];
    for await (const entry of set.entries()) objects.push(`${kindName(entry)} ${entry.namespace}/${entry.name}`);
    expect(set.manifest.selection).toEqual(asked);
    expect(set.manifest.objects).toBe(objects.length);
    return { manifest: set.manifest, objects: objects.filter(text => !text.startsWith('serviceaccounts ')).sort() };
  }
  const counts = ({ kinds }: Manifest) =>
    Object.fromEntries(kinds.filter(({ count }) => count > 0).map(kind => [kindName(kind), kind.count]));
  const leftOut = ({ excluded }: Manifest) => excluded.filter(({ reason }) => reason === 'not selected').map(({ what }) => what);

  it('is what globs of namespaces and kinds and a label selector let through, all at once', async () => {
    const { manifest, objects } = await take({
      includeNamespaces: ['team-*'],
      excludeNamespaces: ['*-a2'],
      includeKinds: ['config*', 'secret?'],
      labelSelector: 'app in (web,api),tier!=cache',
    });
    const wanted = ['team-a1', 'team-b1'].flatMap(namespace => [`configmaps ${namespace}/api`, `configmaps ${namespace}/web`]);
    expect(objects).toEqual([...wanted, ...wanted.map(text => text.replace('configmaps', 'secrets'))].sort());
    expect(counts(manifest)).toEqual({ configmaps: 4, secrets: 4 });
    expect(leftOut(manifest)).toEqual(expect.arrayContaining(['namespaces', 'serviceaccounts', 'deployments.apps']));
    expect(leftOut(manifest)).not.toContain('configmaps');
  });

  it('is the same by the names of namespaces, which are read one by one', async () => {
    const { manifest, objects } = await take({
      includeNamespaces: ['team-a1', 'team-b1'],
      includeKinds: ['configmaps'],
      labelSelector: 'app=web',
    });
    expect(objects).toEqual(['configmaps team-a1/cache', 'configmaps team-a1/web', 'configmaps team-b1/cache', 'configmaps team-b1/web']);
    expect(manifest).toMatchObject({ consistency: 'instant', objects: 4 });
  });

  it('is everything but what is excluded: exclude wins over include', async () => {
    const { manifest, objects } = await take({
      includeNamespaces: ['team-a?'],
      includeKinds: ['*'],
      excludeKinds: ['secrets', '*.k8s.io', '*.apps'],
      labelSelector: '',
    });
    const names = ['api', 'bare', 'cache', 'web'];
    expect(objects).toEqual([
      ...['team-a1', 'team-a2'].flatMap(namespace => names.map(name => `configmaps ${namespace}/${name}`)),
      ...['namespaces /team-a1', 'namespaces /team-a2'],
    ]);
    expect(leftOut(manifest)).toEqual(expect.arrayContaining(['secrets', 'roles.rbac.authorization.k8s.io', 'deployments.apps']));
  });

  it('holds objects outside of namespaces beside those of some only where that is asked for', async () => {
    const roles = { includeNamespaces: ['team-a1'], includeKinds: ['clusterroles.*', 'configmaps'], labelSelector: 'app=web,tier!=cache' };
    expect((await take(roles)).objects).toEqual(['configmaps team-a1/web']);
    const always = await take({ ...roles, clusterScoped: 'always' });
    const found = ['other', 'team-a1', 'team-a2', 'team-b1'].map(name => `clusterroles.rbac.authorization.k8s.io /${name}`);
    expect(always.objects).toEqual([...found, 'configmaps team-a1/web']);
    expect(counts(always.manifest)).toEqual({ 'clusterroles.rbac.authorization.k8s.io': 4, configmaps: 1 });
  });
});
