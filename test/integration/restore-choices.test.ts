import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { changed, compareWith, failures, getObject, kindOf, plan, restore, revisions, settledRevisions } from '../helpers/restore.ts';

const namespaces = kindOf('namespaces/v1 Namespace', false);
const configMaps = kindOf('configmaps/v1 ConfigMap');
const services = kindOf('services/v1 Service');
const quotas = kindOf('resourcequotas/v1 ResourceQuota');
const accounts = kindOf('serviceaccounts/v1 ServiceAccount');
const bindings = kindOf('rolebindings.rbac.authorization.k8s.io/v1 RoleBinding');
const definitions = kindOf('customresourcedefinitions.apiextensions.k8s.io/v1 CustomResourceDefinition', false);
const widgets = kindOf('widgets.example.com/v1 Widget status');
const policies = kindOf('validatingadmissionpolicies.admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy', false);
const policyBindings = kindOf('validatingadmissionpolicybindings.admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding', false);
const webhooks = kindOf('validatingwebhookconfigurations.admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration', false);

/** Small sets of one or two namespaces each, all on one living cluster with a real controller manager. */
describe('a restore into a living cluster', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'restore-choices', unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
  });
  afterAll(async () => {
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  const inNamespaces = (...names: string[]): Selection => ({ ...everything, includeNamespaces: names });

  async function make(kind: ResourceKind, object: JsonObject, fieldManager = 'author'): Promise<JsonObject> {
    const { group, version } = kind;
    const whole = { apiVersion: group === '' ? version : `${group}/${version}`, kind: kind.kind, ...object };
    const namespace = stringAt(object, 'metadata', 'namespace') ?? '';
    return parseJson(await api.create(kind, namespace, JSON.stringify(whole), { fieldManager })) as JsonObject;
  }

  /** A namespace with some configmaps, once its default service account is there. */
  async function makeNamespace(name: string, data: Readonly<Record<string, string>> = {}): Promise<void> {
    await make(namespaces, { metadata: { name, labels: { team: name } } });
    for (const [key, value] of Object.entries(data))
      await make(configMaps, { metadata: { name: key, namespace: name, labels: { app: key } }, data: { value } });
    await waitFor('the default service account', async () => (await api.get(accounts, name, 'default')) !== undefined, {
      timeoutMs: 20_000,
    });
  }

  async function backUp(selection: Selection): Promise<SetReader> {
    return reader(location, await completeBackup(location, api, selection));
  }

  async function remove(kind: ResourceKind, namespace: string, name: string): Promise<void> {
    await api.delete(kind, namespace, name);
    await waitFor(`${name} gone`, async () => (await api.get(kind, namespace, name)) === undefined, { timeoutMs: 60_000 });
  }

  const value = async (namespace: string, name: string) => stringAt(await getObject(api, configMaps, namespace, name), 'data', 'value');
  const uid = async (namespace: string, name: string) => stringAt(await getObject(api, configMaps, namespace, name), 'metadata', 'uid');

  it('brings back what is missing and leaves what differs, unless told otherwise', async () => {
    await makeNamespace('skip', { same: 'a', changed: 'a', lost: 'a' });
    const selection = inNamespaces('skip');
    const set = await backUp(selection);
    await remove(configMaps, 'skip', 'lost');
    await api.patch(configMaps, 'skip', 'changed', { type: 'merge', body: '{"data":{"value":"b"}}' }, { fieldManager: 'someone' });
    const before = await uid('skip', 'changed');

    const planned = await plan(set, api, { selection });
    const differing = planned.steps.flatMap(step => step.objects).filter(object => object.action === 'skip-differs');
    expect(differing).toMatchObject([{ name: 'changed', differences: [{ path: '/data/value', wanted: '"a"', live: '"b"' }] }]);
    const skipped = await restore(set, api, { selection });
    expect(skipped.totals).toMatchObject({ create: 1, 'skip-differs': 1, update: 0 });
    expect([await value('skip', 'changed'), await value('skip', 'lost')]).toEqual(['b', 'a']);

    const updated = await restore(set, api, { selection, existing: 'update' });
    expect(updated.totals).toMatchObject({ create: 0, update: 1, fail: 0 });
    expect([await value('skip', 'changed'), await uid('skip', 'changed')]).toEqual(['a', before]);
    const atRest = await settledRevisions(api);
    expect((await restore(set, api, { selection, existing: 'update' })).writes).toBe(0);
    expect(changed(atRest, await revisions(api))).toEqual([]);
  });

  it('makes an object anew on request, and never a namespace', async () => {
    await makeNamespace('anew', { one: 'a' });
    const selection = inNamespaces('anew');
    const set = await backUp(selection);
    const [before, namespaceBefore] = [await uid('anew', 'one'), await getObject(api, namespaces, '', 'anew')];
    await api.patch(configMaps, 'anew', 'one', { type: 'merge', body: '{"data":{"value":"b"}}' });
    await api.patch(namespaces, '', 'anew', { type: 'merge', body: '{"metadata":{"labels":{"team":"other"}}}' });
    const outcome = await restore(set, api, { selection, existing: 'recreate' });
    expect(outcome.totals).toMatchObject({ recreate: 1, update: 1, fail: 0 });
    expect(await value('anew', 'one')).toBe('a');
    expect(await uid('anew', 'one')).not.toBe(before);
    const namespaceAfter = await getObject(api, namespaces, '', 'anew');
    expect(at(namespaceAfter, 'metadata', 'uid')).toBe(at(namespaceBefore, 'metadata', 'uid'));
    expect(at(namespaceAfter, 'metadata', 'labels', 'team')).toBe('anew');
    expect((await restore(set, api, { selection, existing: 'recreate' })).writes).toBe(0);
  });

  it('deletes nothing that has changed since it looked at the target', async () => {
    await makeNamespace('late', { mended: 'a', renewed: 'a' });
    const selection = inNamespaces('late');
    const set = await backUp(selection);
    for (const name of ['mended', 'renewed']) await api.patch(configMaps, 'late', name, { type: 'merge', body: '{"data":{"value":"b"}}' });
    const mended = await uid('late', 'mended');
    const content = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'renewed', labels: { by: 'hand' } } });
    // Somebody else mends one after the target was surveyed, and makes the other anew right before it would be deleted.
    const happened = { mending: false, renewal: false };
    const meanwhile: ClusterApi = {
      ...api,
      get: async (kind, namespace, name, call) => {
        if (name === 'mended' && !happened.mending) {
          happened.mending = true;
          await api.patch(kind, namespace, name, { type: 'merge', body: '{"data":{"value":"a"}}' });
        }
        return api.get(kind, namespace, name, call);
      },
      delete: async (kind, namespace, name, call) => {
        if (name === 'renewed' && !happened.renewal) {
          happened.renewal = true;
          await api.delete(kind, namespace, name);
          await api.create(kind, namespace, content);
        }
        return api.delete(kind, namespace, name, call);
      },
    };
    const outcome = await restore(set, meanwhile, { selection, existing: 'recreate' });
    expect(outcome.problems).toEqual([]);
    expect(outcome.totals).toMatchObject({ recreate: 1, fail: 0 });
    expect([await value('late', 'mended'), await uid('late', 'mended')]).toEqual(['a', mended]);
    expect(await value('late', 'renewed')).toBe('a');
    expect(happened).toEqual({ mending: true, renewal: true });
  });

  it('says which field cannot change, and goes on', async () => {
    await makeNamespace('fixed', { free: 'a' });
    await make(configMaps, { metadata: { name: 'frozen', namespace: 'fixed' }, data: { value: 'a' }, immutable: true });
    const selection = inNamespaces('fixed');
    const set = await backUp(selection);
    await remove(configMaps, 'fixed', 'frozen');
    await make(configMaps, { metadata: { name: 'frozen', namespace: 'fixed' }, data: { value: 'b' }, immutable: true });
    await remove(configMaps, 'fixed', 'free');
    const outcome = await restore(set, api, { selection, existing: 'update' });
    expect(outcome.phase).toBe('PartiallyFailed');
    expect(outcome.totals).toMatchObject({ create: 1, fail: 1 });
    expect(outcome.problems).toMatchObject([{ severity: 'failed', item: 'configmaps fixed/frozen', code: 'CLUSTER_REJECTED' }]);
    expect(outcome.problems[0]?.message).toMatch(/immutable/);
  });

  it('goes into another namespace, with all that names it', async () => {
    await makeNamespace('blue', { one: 'a' });
    await make(bindings, {
      metadata: { name: 'readers', namespace: 'blue' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'blue' }],
    });
    const owner = await make(configMaps, { metadata: { name: 'owner', namespace: 'blue' } });
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: stringAt(owner, 'metadata', 'uid') ?? '' };
    await make(configMaps, { metadata: { name: 'owned', namespace: 'blue', ownerReferences: [reference] } });
    const selection = inNamespaces('blue');
    const set = await backUp(selection);
    const options = { selection, namespaceMapping: { blue: 'green' } };
    const outcome = await restore(set, api, options);
    expect(outcome.problems).toEqual([]);
    expect(failures(await compareWith(set, api, options))).toEqual([]);
    const binding = await getObject(api, bindings, 'green', 'readers');
    expect(at(binding, 'subjects')).toEqual([{ kind: 'ServiceAccount', name: 'default', namespace: 'green' }]);
    const owned = await getObject(api, configMaps, 'green', 'owned');
    const [link] = at(owned, 'metadata', 'ownerReferences') as JsonObject[];
    expect(link?.['uid']).toBe(await uid('green', 'owner'));
    expect(link?.['uid']).not.toBe(reference.uid);
    expect((await restore(set, api, options)).writes).toBe(0);
  });

  it('takes only what is selected by kind, name or label, and the namespace that this needs', async () => {
    await makeNamespace('part', { one: 'a', two: 'b' });
    const set = await backUp(inNamespaces('part'));
    await remove(namespaces, '', 'part');
    const byLabel = await restore(set, api, {
      selection: { ...inNamespaces('part'), includeKinds: ['configmaps'], labelSelector: 'app=one' },
    });
    expect(byLabel.totals).toMatchObject({ create: 2, fail: 0 });
    expect([await value('part', 'one'), await value('part', 'two')]).toEqual(['a', undefined]);
    expect(at(await getObject(api, namespaces, '', 'part'), 'metadata', 'labels', 'team')).toBe('part');
    const byName = await restore(set, api, { selection: { ...inNamespaces('part'), includeNames: ['tw*'] } });
    expect(byName.totals).toMatchObject({ create: 1 });
    expect(await value('part', 'two')).toBe('b');
  });

  it('leaves out a reference to an owner that is nowhere, and says so', async () => {
    await makeNamespace('orphan');
    const owner = await make(configMaps, { metadata: { name: 'owner', namespace: 'orphan' } });
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: stringAt(owner, 'metadata', 'uid') ?? '' };
    await make(configMaps, { metadata: { name: 'child', namespace: 'orphan', ownerReferences: [reference] } });
    const set = await backUp(inNamespaces('orphan'));
    await remove(namespaces, '', 'orphan');
    const outcome = await restore(set, api, { selection: { ...inNamespaces('orphan'), includeNames: ['child'] } });
    expect(outcome.phase).toBe('Completed');
    expect(outcome.problems).toMatchObject([{ severity: 'warning', item: 'configmaps orphan/child' }]);
    expect(outcome.problems[0]?.message).toMatch(/ConfigMap owner/);
    expect(at(await getObject(api, configMaps, 'orphan', 'child'), 'metadata', 'ownerReferences')).toBeUndefined();
  });

  it('takes another node port where the old one is in use, and says so', async () => {
    await makeNamespace('ports');
    const spec = { type: 'NodePort', ports: [{ port: 80, protocol: 'TCP', nodePort: 30_123 }] };
    await make(services, { metadata: { name: 'web', namespace: 'ports' }, spec });
    const selection = inNamespaces('ports');
    const set = await backUp(selection);
    await remove(services, 'ports', 'web');
    await make(services, { metadata: { name: 'squatter', namespace: 'default' }, spec });
    const outcome = await restore(set, api, { selection });
    await remove(services, 'default', 'squatter');
    expect(outcome.totals).toMatchObject({ create: 1, fail: 0 });
    expect(outcome.problems).toMatchObject([{ severity: 'warning', item: 'services ports/web' }]);
    const port = at((at(await getObject(api, services, 'ports', 'web'), 'spec', 'ports') as JsonObject[])[0], 'nodePort');
    expect(port).not.toBe(30_123);
    await remove(services, 'ports', 'web');
    await restore(set, api, { selection });
    const kept = at((at(await getObject(api, services, 'ports', 'web'), 'spec', 'ports') as JsonObject[])[0], 'nodePort');
    expect(kept).toBe(30_123);
  });

  it('waits for a namespace that is being deleted, but not for ever', async () => {
    await makeNamespace('leaving', { one: 'a' });
    const selection = inNamespaces('leaving');
    const set = await backUp(selection);
    await api.patch(configMaps, 'leaving', 'one', { type: 'merge', body: '{"metadata":{"finalizers":["example.com/hold"]}}' });
    await api.delete(namespaces, '', 'leaving');
    const stuck = await restore(set, api, { selection, waitMs: 1_500 });
    expect(stuck.phase).toBe('Failed');
    expect(stuck.problems).toMatchObject([{ severity: 'failed', item: 'namespaces leaving', code: 'CLUSTER_CONFLICT' }]);
    expect(stuck.writes).toBe(0);
    const waiting = restore(set, api, { selection });
    await api.patch(configMaps, 'leaving', 'one', { type: 'merge', body: '{"metadata":{"finalizers":null}}' });
    const outcome = await waiting;
    expect(outcome.problems).toEqual([]);
    expect(await value('leaving', 'one')).toBe('a');
  });

  it('tells a kind that the target does not serve, or not in that version, once for all its objects', async () => {
    await defineWidgets(['v1']);
    await makeNamespace('gone', { one: 'a' });
    for (const name of ['w1', 'w2']) await make(widgets, { metadata: { name, namespace: 'gone' }, spec: { size: 1 } });
    const set = await backUp(inNamespaces('gone'));
    await remove(namespaces, '', 'gone');
    await remove(definitions, '', 'widgets.example.com');
    await waitFor('widgets gone', async () => !(await api.discover()).kinds.some(kind => kind.resource === 'widgets'), {
      timeoutMs: 20_000,
    });
    const without = await restore(set, api, { selection: inNamespaces('gone') });
    expect(without.phase).toBe('PartiallyFailed');
    expect(without.totals).toMatchObject({ fail: 2 });
    expect(without.problems).toMatchObject([{ item: 'widgets.example.com', code: 'CLUSTER_NOT_FOUND', objects: 2 }]);
    expect(await value('gone', 'one')).toBe('a');

    await defineWidgets(['v2']);
    const other = await restore(set, api, { selection: inNamespaces('gone') });
    expect(other.problems).toMatchObject([{ item: 'widgets.example.com', objects: 2 }]);
    expect(other.problems[0]?.message).toMatch(/as v2 and not as v1/);
    await remove(definitions, '', 'widgets.example.com');
  });

  it('brings the definition of a selected kind along, waits until it is served, and puts the status back with the object', async () => {
    await waitFor('widgets gone', async () => !(await api.discover()).kinds.some(kind => kind.resource === 'widgets'), {
      timeoutMs: 20_000,
    });
    await defineWidgets(['v1']);
    await makeNamespace('custom');
    const widget = await make(widgets, { metadata: { name: 'w', namespace: 'custom' }, spec: parseJson('{"size":9007199254740993}') });
    const status = { phase: 'Done', ratio: 0.1 };
    await api.update(widgets, 'custom', 'w', JSON.stringify({ ...widget, status }), { subresource: 'status', fieldManager: 'operator' });
    const set = await backUp({ ...inNamespaces('custom'), clusterScoped: 'always' });
    await remove(namespaces, '', 'custom');
    await remove(definitions, '', 'widgets.example.com');
    const selection = { ...inNamespaces('custom'), includeKinds: ['widgets.example.com'] };
    const outcome = await restore(set, api, { selection });
    expect(outcome.problems).toEqual([]);
    expect(outcome.totals).toMatchObject({ create: 3, fail: 0 });
    const live = await getObject(api, widgets, 'custom', 'w');
    expect(at(live, 'status')).toEqual(status);
    expect(JSON.stringify(at(live, 'spec'))).toBe('{"size":9007199254740993}');
    const managers = (at(live, 'metadata', 'managedFields') as JsonObject[]).map(entry => [entry['manager'], entry['subresource'] ?? '']);
    expect(managers).toEqual([
      ['author', ''],
      ['operator', 'status'],
    ]);
    expect((await restore(set, api, { selection })).writes).toBe(0);
  });

  it('reports what a policy refuses in its own words, and brings the rest', async () => {
    await makeNamespace('guarded', { good: 'a', bad: 'a' });
    const selection = inNamespaces('guarded');
    const set = await backUp(selection);
    await remove(configMaps, 'guarded', 'good');
    await remove(configMaps, 'guarded', 'bad');
    await make(policies, {
      metadata: { name: 'no-bad' },
      spec: {
        matchConstraints: { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }] },
        validations: [{ expression: "object.metadata.name != 'bad'", message: 'bad is not welcome here' }],
      },
    });
    await make(policyBindings, { metadata: { name: 'no-bad' }, spec: { policyName: 'no-bad', validationActions: ['Deny'] } });
    const probe = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'bad', namespace: 'guarded' } });
    const refused = () =>
      api.create(configMaps, 'guarded', probe, { dryRun: true }).then(
        () => false,
        () => true,
      );
    await waitFor('the policy in force', refused, { timeoutMs: 30_000 });
    const outcome = await restore(set, api, { selection });
    await remove(policyBindings, '', 'no-bad');
    expect(outcome.phase).toBe('PartiallyFailed');
    expect(outcome.problems).toMatchObject([{ severity: 'failed', item: 'configmaps guarded/bad', code: 'CLUSTER_REJECTED' }]);
    expect(outcome.problems[0]?.message).toMatch(/bad is not welcome here/);
    expect(await value('guarded', 'good')).toBe('a');
    await waitFor('the policy gone', async () => !(await refused()), { timeoutMs: 30_000 });
    expect((await restore(set, api, { selection })).totals).toMatchObject({ create: 1, fail: 0 });
  });

  it('reports a webhook that does not answer, and succeeds once it is gone', async () => {
    await makeNamespace('hooked', { one: 'a' });
    const selection = inNamespaces('hooked');
    const set = await backUp(selection);
    await remove(configMaps, 'hooked', 'one');
    await make(webhooks, {
      metadata: { name: 'deaf' },
      webhooks: [
        {
          name: 'deaf.example.com',
          clientConfig: { url: 'https://127.0.0.1:9/validate' },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
          namespaceSelector: { matchLabels: { team: 'hooked' } },
          failurePolicy: 'Fail',
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          timeoutSeconds: 2,
        },
      ],
    });
    const probe = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'probe', namespace: 'hooked' } });
    const refused = () =>
      api.create(configMaps, 'hooked', probe, { dryRun: true }).then(
        () => false,
        () => true,
      );
    await waitFor('the webhook in force', refused, { timeoutMs: 30_000 });
    const outcome = await restore(set, api, { selection });
    await remove(webhooks, '', 'deaf');
    expect(outcome.problems).toMatchObject([{ severity: 'failed', item: 'configmaps hooked/one' }]);
    expect(outcome.problems[0]?.message).toMatch(/deaf\.example\.com/);
    await waitFor('the webhook gone', async () => !(await refused()), { timeoutMs: 30_000 });
    expect((await restore(set, api, { selection })).totals).toMatchObject({ create: 1, fail: 0 });
  });

  it('reports what a quota refuses', async () => {
    await makeNamespace('small', { one: 'a', two: 'a', three: 'a' });
    const selection = inNamespaces('small');
    const set = await backUp(selection);
    for (const name of ['one', 'two', 'three']) await remove(configMaps, 'small', name);
    // The cluster's own certificate counts as one.
    await make(quotas, { metadata: { name: 'few', namespace: 'small' }, spec: { hard: { 'count/configmaps': '2' } } });
    await waitFor('the quota in force', async () => at(await getObject(api, quotas, 'small', 'few'), 'status', 'used') !== undefined, {
      timeoutMs: 30_000,
    });
    const outcome = await restore(set, api, { selection });
    expect(outcome.phase).toBe('PartiallyFailed');
    expect(outcome.totals).toMatchObject({ create: 1, fail: 2 });
    for (const problem of outcome.problems)
      expect(problem).toMatchObject({ code: 'CLUSTER_REJECTED', message: expect.stringMatching(/exceeded quota: few/) });
  });

  async function defineWidgets(versions: readonly string[]): Promise<void> {
    await make(definitions, {
      metadata: { name: 'widgets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { kind: 'Widget', listKind: 'WidgetList', plural: 'widgets', singular: 'widget' },
        versions: versions.map((name, i) => ({
          name,
          served: true,
          storage: i === 0,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        })),
      },
    });
    await waitFor('widgets served', async () => (await api.discover()).kinds.some(kind => kind.resource === 'widgets'), {
      timeoutMs: 30_000,
    });
  }
});
