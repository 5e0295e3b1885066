import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import type { PlannedObject, RestoreOptions, RestoreOutcome, RestorePlan } from '../../src/domain/restore-plan.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { getObject, kindOf, plan, restore } from '../helpers/restore.ts';

const namespaces = kindOf('namespaces/v1 Namespace', false);
const configMaps = kindOf('configmaps/v1 ConfigMap');
const accounts = kindOf('serviceaccounts/v1 ServiceAccount');
const pods = kindOf('pods/v1 Pod');
const definitions = kindOf('customresourcedefinitions.apiextensions.k8s.io/v1 CustomResourceDefinition', false);
const gadgets = kindOf('gadgets.example.com/v1 Gadget');
const patience = { timeoutMs: 60_000 };

/** Where what happens to an object hangs on more than the object itself, a plan is easily another than the restore. */
describe('a plan is what the restore does', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'restore-plan', unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
  });
  afterAll(async () => {
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  const selecting = (namespace: string, ...includeKinds: string[]): Selection => ({
    ...everything,
    includeNamespaces: [namespace],
    includeKinds: ['configmaps', ...includeKinds],
  });

  async function make(kind: ResourceKind, object: JsonObject): Promise<JsonObject> {
    const { group, version } = kind;
    const whole = { apiVersion: group === '' ? version : `${group}/${version}`, kind: kind.kind, ...object };
    return parseJson(await api.create(kind, stringAt(object, 'metadata', 'namespace') ?? '', JSON.stringify(whole))) as JsonObject;
  }

  const makeNamespace = (name: string) => make(namespaces, { metadata: { name } });
  const makeMap = (namespace: string, name: string, owner?: JsonObject) =>
    make(configMaps, { metadata: { name, namespace, ...(owner && { ownerReferences: [reference(owner)] }) }, data: { name } });

  async function backUp(selection: Selection): Promise<SetReader> {
    return reader(location, await completeBackup(location, api, selection));
  }

  async function gone(kind: ResourceKind, namespace: string, name: string): Promise<void> {
    await waitFor(`${name} gone`, async () => (await api.get(kind, namespace, name)) === undefined, patience);
  }

  async function remove(kind: ResourceKind, namespace: string, name: string): Promise<void> {
    await api.delete(kind, namespace, name);
    await gone(kind, namespace, name);
  }

  /** Plans, restores, and holds the one against the other, step by step. */
  async function both(set: SetReader, options: Partial<RestoreOptions>): Promise<{ planned: RestorePlan; outcome: RestoreOutcome }> {
    const planned = await plan(set, api, options);
    const outcome = await restore(set, api, options);
    expect(countsOf(outcome)).toEqual(countsOf(planned));
    return { planned, outcome };
  }

  it('for owners that are made anew: what they own gets its reference back', async () => {
    await makeNamespace('orphans');
    const owner = await makeMap('orphans', 'owner');
    await makeMap('orphans', 'child', owner);
    const selection = selecting('orphans');
    const set = await backUp(selection);
    await api.delete(configMaps, 'orphans', 'owner', { orphan: true });
    await gone(configMaps, 'orphans', 'owner');
    expect(await ownersOf('orphans', 'child')).toEqual([]);
    const { planned } = await both(set, { selection });
    expect(actions(planned)).toEqual({ owner: 'create', child: 'complete' });
    const uid = stringAt(await getObject(api, configMaps, 'orphans', 'owner'), 'metadata', 'uid');
    expect(await ownersOf('orphans', 'child')).toEqual([uid]);
  });

  it('for owners that cannot come, and for what they own', async () => {
    await define();
    await makeNamespace('lost');
    const owner = await make(gadgets, { metadata: { name: 'owner', namespace: 'lost' } });
    await makeMap('lost', 'child', owner);
    const selection = selecting('lost', 'gadgets.example.com');
    const set = await backUp(selection);
    await remove(namespaces, '', 'lost');
    await remove(definitions, '', 'gadgets.example.com');
    await waitFor('gadgets are not served', async () => !(await served()), patience);
    const { planned, outcome } = await both(set, { selection });
    expect(planned.totals).toMatchObject({ fail: 2, create: 1 });
    expect(named(planned, 'child')?.reason).toBe('its owner Gadget owner could not be restored');
    expect(outcome.problems.map(({ item }) => item).sort()).toEqual(['configmaps lost/child', 'gadgets.example.com', 'namespaces lost']);
  });

  it('for owners that are left out on purpose, whose references are left out as well', async () => {
    await makeNamespace('finished');
    await waitFor('the default service account', async () => (await api.get(accounts, 'finished', 'default')) !== undefined, patience);
    const spec = { containers: [{ name: 'c', image: 'example/none:1' }] };
    const pod = await make(pods, { metadata: { name: 'owner', namespace: 'finished' }, spec });
    const phase = { type: 'merge', body: '{"status":{"phase":"Succeeded"}}', subresource: 'status' } as const;
    await api.patch(pods, 'finished', 'owner', phase);
    await makeMap('finished', 'child', pod);
    const selection = selecting('finished', 'pods');
    const set = await backUp(selection);
    const { planned, outcome } = await both(set, { selection, namespaceMapping: { finished: 'elsewhere' } });
    expect(actions(planned)).toMatchObject({ owner: 'exclude', child: 'create' });
    const told = outcome.problems.find(({ item }) => item === 'configmaps elsewhere/child')?.message;
    expect(told).toMatch(/its owner Pod owner is neither in the restore nor on the target/);
    expect(named(planned, 'child')?.reason).toBe(told);
  });

  it('for what an interrupted apply has left half-done', async () => {
    await makeNamespace('half');
    const applied = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'half' }, data: { a: '1' } });
    const apply = () => api.patch(configMaps, 'half', 'half', { type: 'apply', body: applied }, { fieldManager: 'gitops' });
    const managers = (object: JsonObject) => at(object, 'metadata', 'managedFields') as JsonObject[];
    const [gitops] = managers(parseJson(await apply()) as JsonObject);
    await api.patch(configMaps, 'half', 'half', { type: 'merge', body: '{"data":{"b":"2"}}' }, { fieldManager: 'hand' });
    // What the hand has written belongs to nobody any more.
    await api.patch(configMaps, 'half', 'half', { type: 'merge', body: JSON.stringify({ metadata: { managedFields: [gitops!] } }) });
    const selection = selecting('half');
    const set = await backUp(selection);
    await waitFor(
      'an object applied within the second that it was made in',
      async () => {
        await remove(configMaps, 'half', 'half');
        const object = parseJson(await apply()) as JsonObject;
        return managers(object)[0]?.['time'] === stringAt(object, 'metadata', 'creationTimestamp');
      },
      patience,
    );
    const { planned } = await both(set, { selection });
    expect(actions(planned)).toEqual({ half: 'complete' });
    expect(at(await getObject(api, configMaps, 'half', 'half'), 'data', 'b')).toBe('2');
  });

  it('for namespaces that are not in the backup, only objects in them', async () => {
    await makeNamespace('bare');
    await makeMap('bare', 'one');
    const selection = selecting('bare');
    const set = await backUp(selection);
    await remove(configMaps, 'bare', 'one');
    const there = await both(set, { selection });
    expect(actions(there.planned)).toEqual({ one: 'create' });
    const made = await both(set, { selection, namespaceMapping: { bare: 'barer' } });
    expect(actions(made.planned)).toEqual({ barer: 'create', one: 'create' });
    expect(await api.get(configMaps, 'barer', 'one')).toBeDefined();
  });

  it('for a namespace that is being deleted: all in it is made anew once it is gone', async () => {
    await makeNamespace('leaving');
    await make(configMaps, { metadata: { name: 'one', namespace: 'leaving', finalizers: ['example.com/hold'] } });
    const selection = selecting('leaving');
    const set = await backUp(selection);
    await api.delete(namespaces, '', 'leaving');
    const planned = await plan(set, api, { selection });
    expect(planned.problems).toMatchObject([{ severity: 'warning', item: 'namespaces leaving' }]);
    expect(actions(planned)).toMatchObject({ leaving: 'create', one: 'create' });
    const restoring = restore(set, api, { selection, waitMs: 120_000 });
    await api.patch(configMaps, 'leaving', 'one', { type: 'merge', body: '{"metadata":{"finalizers":null}}' });
    expect(countsOf(await restoring)).toEqual(countsOf(planned));
  });

  async function ownersOf(namespace: string, name: string): Promise<(string | undefined)[]> {
    const owners = at(await getObject(api, configMaps, namespace, name), 'metadata', 'ownerReferences');
    return Array.isArray(owners) ? owners.map(owner => stringAt(owner, 'uid')) : [];
  }

  const served = async () => (await api.discover()).kinds.some(kind => kind.resource === 'gadgets');

  async function define(): Promise<void> {
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    await make(definitions, {
      metadata: { name: 'gadgets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { kind: 'Gadget', plural: 'gadgets', singular: 'gadget' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    });
    await waitFor('gadgets are listed', async () => (await served()) && (await api.list(gadgets, () => {})), patience);
  }
});

function reference(owner: JsonObject): JsonObject {
  const [name, uid] = [stringAt(owner, 'metadata', 'name') ?? '', stringAt(owner, 'metadata', 'uid') ?? ''];
  return { apiVersion: owner['apiVersion'] ?? '', kind: owner['kind'] ?? '', name, uid };
}

/** Of the steps in which there is anything. */
function countsOf({ steps }: Pick<RestorePlan | RestoreOutcome, 'steps'>): Record<string, unknown> {
  const busy = [...steps].filter(({ counts }) => Object.values(counts).some(count => count > 0));
  return Object.fromEntries(busy.map(({ step, counts }) => [step, counts]));
}

function objectsOf({ steps }: RestorePlan): readonly PlannedObject[] {
  return steps.flatMap(({ objects }) => objects);
}

function actions(planned: RestorePlan): Record<string, string> {
  return Object.fromEntries(objectsOf(planned).map(({ name, action }) => [name, action]));
}

function named(planned: RestorePlan, name: string): PlannedObject | undefined {
  return objectsOf(planned).find(object => object.name === name);
}
