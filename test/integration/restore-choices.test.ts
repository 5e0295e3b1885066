import { describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import { changed, compareWith, failures, getObject, kindOf, plan, restore, revisions, settledRevisions } from '../helpers/restore.ts';
import { configMaps, definitions, inNamespaces, namespaces, widgets, withRestoreLab } from '../helpers/restore-lab.ts';
import { refusedRestores } from './restore-refused.ts';

const bindings = kindOf('rolebindings.rbac.authorization.k8s.io/v1 RoleBinding');

/** Small sets of one or two namespaces each, all on one living cluster with a real controller manager. */
describe('a restore into a living cluster', () => {
  const lab = withRestoreLab('restore-choices');

  it('brings back what is missing and leaves what differs, unless told otherwise', async () => {
    const { api, makeNamespace, backUp, remove, value, uid } = lab();
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
    const { api, makeNamespace, backUp, value, uid } = lab();
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
    const { api, makeNamespace, backUp, value, uid } = lab();
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

  it('goes into another namespace, with all that names it', async () => {
    const { api, make, makeNamespace, backUp, uid } = lab();
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
    const { api, makeNamespace, backUp, remove, value } = lab();
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
    const { api, make, makeNamespace, backUp, remove } = lab();
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

  it('brings the definition of a selected kind along, waits until it is served, and puts the status back with the object', async () => {
    const { api, make, makeNamespace, defineWidgets, backUp, remove } = lab();
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
    await remove(definitions, '', 'widgets.example.com');
  });

  refusedRestores(lab);
});
