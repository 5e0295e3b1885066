import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi, WatchEvent } from '../../src/cluster/cluster-api.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { configMaps, connectTo, defineKind, itemsOf, kindOf, nameIn, namespaces } from './cluster-api-kinds.ts';

const cluster = withCluster();
const namespace = 'writes';
const within = { timeoutMs: 90_000, intervalMs: 100 };
let api: ClusterApi;

beforeAll(async () => {
  api = await connectTo(cluster());
  await api.create(namespaces, '', body(namespace));
});
afterAll(() => api?.close());

interface Stored {
  readonly metadata: {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly managedFields: readonly { readonly manager: string; readonly operation: string }[];
    readonly ownerReferences?: unknown;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly status?: unknown;
  readonly spec?: unknown;
}

const body = (name: string, more: object = {}) => JSON.stringify({ metadata: { name }, ...more });
const parse = (text: string | undefined) => JSON.parse(text ?? 'null') as Stored;
const current = async (name: string) => parse(await api.get(configMaps, namespace, name));

describe('create', () => {
  it('returns the object as stored, its fields owned by the named manager', async () => {
    const text = await api.create(configMaps, namespace, body('created', { data: { a: '1' } }), { fieldManager: 'gitops' });
    expect(text).toBe(await api.get(configMaps, namespace, 'created'));
    expect(parse(text).metadata.managedFields).toMatchObject([{ manager: 'gitops', operation: 'Update' }]);
  });

  it('of what exists is CLUSTER_CONFLICT, in a namespace that does not exist CLUSTER_NOT_FOUND, of nonsense CLUSTER_REJECTED', async () => {
    await api.create(configMaps, namespace, body('twice'));
    const refused = (call: Promise<string>, code: string, words: string) =>
      expect(call).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
    await refused(api.create(configMaps, namespace, body('twice')), 'CLUSTER_CONFLICT', 'configmaps "twice" already exists');
    await refused(api.create(configMaps, 'nowhere', body('a')), 'CLUSTER_NOT_FOUND', 'namespaces "nowhere" not found');
    await refused(api.create(configMaps, namespace, body('Not A Name')), 'CLUSTER_REJECTED', 'metadata.name: Invalid value');
    await refused(api.create(configMaps, namespace, '{"metadata":'), 'CLUSTER_REJECTED', 'POST /api/v1/namespaces/writes/configmaps');
  });

  it('drops fields that this server does not know instead of refusing the object', async () => {
    const text = await api.create(configMaps, namespace, body('unknown-fields', { data: { a: '1' }, surprise: { b: 2 } }));
    expect(parse(text).data).toEqual({ a: '1' });
  });

  it('as a dry run stores nothing', async () => {
    expect(parse(await api.create(configMaps, namespace, body('dry'), { dryRun: true })).metadata.uid).not.toBe('');
    expect(await api.get(configMaps, namespace, 'dry')).toBeUndefined();
  });

  it('that a policy or a quota forbids is CLUSTER_REJECTED in its words', async () => {
    const limited = 'limited';
    await api.create(namespaces, '', body(limited));
    const quotas = kindOf('', 'v1', 'resourcequotas', 'ResourceQuota', true);
    await api.create(quotas, limited, body('small', { spec: { hard: { 'count/configmaps': '0' } } }));
    const byQuota = await waitFor('the quota holds', () => refusal(api.create(configMaps, limited, body('a'), { dryRun: true })), within);
    expect(byQuota).toMatchObject({ code: 'CLUSTER_REJECTED', message: expect.stringContaining('exceeded quota: small') });

    const policies = kindOf('admissionregistration.k8s.io', 'v1', 'validatingadmissionpolicies', 'ValidatingAdmissionPolicy', false);
    const bindings = kindOf(
      'admissionregistration.k8s.io',
      'v1',
      'validatingadmissionpolicybindings',
      'ValidatingAdmissionPolicyBinding',
      false,
    );
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };
    const validations = [{ expression: 'object.metadata.name != "forbidden"', message: 'this name is taken' }];
    await api.create(policies, '', body('names', { spec: { matchConstraints: { resourceRules: [rule] }, validations } }));
    await api.create(bindings, '', body('names', { spec: { policyName: 'names', validationActions: ['Deny'] } }));
    const byPolicy = await waitFor(
      'the policy holds',
      () => refusal(api.create(configMaps, namespace, body('forbidden'), { dryRun: true })),
      within,
    );
    expect(byPolicy).toMatchObject({ code: 'CLUSTER_REJECTED', message: expect.stringContaining('this name is taken') });
  });
});

async function refusal(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

describe('update', () => {
  it('replaces the object, unless it changed meanwhile', async () => {
    const first = await api.create(configMaps, namespace, body('replaced', { data: { a: '1' } }));
    const changed = first.replace('"a":"1"', '"b":"2"');
    expect(parse(await api.update(configMaps, namespace, 'replaced', changed)).data).toEqual({ b: '2' });
    await expect(api.update(configMaps, namespace, 'replaced', first)).rejects.toMatchObject({ code: 'CLUSTER_CONFLICT' });
    await expect(api.update(configMaps, namespace, 'absent', body('absent'))).rejects.toMatchObject({ code: 'CLUSTER_NOT_FOUND' });
  });

  it('of the status leaves the rest alone', async () => {
    const jobs = await defineKind(api, 'tasks', 'Task', ['v1']);
    const head = { apiVersion: 'test.io/v1', kind: 'Task' };
    const created = parse(await api.create(jobs, namespace, body('a', { ...head, spec: { n: 1 }, status: { lost: true } })));
    expect(created.status).toBeUndefined();
    const { resourceVersion } = created.metadata;
    const status = JSON.stringify({ ...head, metadata: { name: 'a', resourceVersion }, spec: { n: 2 }, status: { phase: 'Done' } });
    const updated = parse(await api.update(jobs, namespace, 'a', status, { subresource: 'status' }));
    expect(updated).toMatchObject({ spec: { n: 1 }, status: { phase: 'Done' } });
    const patched = await api.patch(jobs, namespace, 'a', { type: 'merge', body: '{"status":{"phase":"Gone"}}', subresource: 'status' });
    expect(parse(patched).status).toEqual({ phase: 'Gone' });
  });
});

describe('patch', () => {
  const applied = (name: string, data: object) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });

  it('applies: creates what is not there, owns its fields, and asks before it takes those of others', async () => {
    const apply = (manager: string, value: string, force?: boolean) =>
      api.patch(
        configMaps,
        namespace,
        'applied',
        { type: 'apply', body: applied('applied', { a: value }), ...(force ? { force } : {}) },
        { fieldManager: manager },
      );
    expect(parse(await apply('one', '1')).metadata.managedFields).toMatchObject([{ manager: 'one', operation: 'Apply' }]);
    await expect(apply('two', '2')).rejects.toMatchObject({
      code: 'CLUSTER_CONFLICT',
      message: expect.stringContaining('conflict with "one"'),
    });
    expect(parse(await apply('two', '2', true)).data).toEqual({ a: '2' });
  });

  it('applied twice writes once', async () => {
    const apply = () => api.patch(configMaps, namespace, 'same', { type: 'apply', body: applied('same', { a: '1' }) });
    expect(await apply()).toBe(await apply());
  });

  it('merges, and follows JSON patches', async () => {
    await api.create(configMaps, namespace, body('patched', { data: { a: '1', b: '2' } }));
    const merged = await api.patch(configMaps, namespace, 'patched', { type: 'merge', body: '{"data":{"a":null,"c":"3"}}' });
    expect(parse(merged).data).toEqual({ b: '2', c: '3' });
    const operations = JSON.stringify([
      { op: 'test', path: '/data/b', value: '2' },
      { op: 'remove', path: '/data/b' },
    ]);
    const patch = () => api.patch(configMaps, namespace, 'patched', { type: 'json', body: operations });
    expect(parse(await patch()).data).toEqual({ c: '3' });
    await expect(patch()).rejects.toMatchObject({ code: 'CLUSTER_REJECTED' });
    await api.patch(configMaps, namespace, 'patched', { type: 'merge', body: '{"data":{"c":"4"}}' }, { dryRun: true });
    expect((await current('patched')).data).toEqual({ c: '3' });
  });
});

describe('delete', () => {
  const owned = (owner: string, uid: string) => ({ ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: owner, uid }] });

  async function family(name: string): Promise<string> {
    const { metadata } = parse(await api.create(configMaps, namespace, body(name)));
    const child = `${name}-child`;
    await api.create(configMaps, namespace, JSON.stringify({ metadata: { name: child, ...owned(name, metadata.uid) } }));
    return child;
  }

  it('takes what depends on the object along, unless it is to be orphaned', async () => {
    const [follower, orphan] = [await family('parent'), await family('left')];
    await api.delete(configMaps, namespace, 'parent');
    await api.delete(configMaps, namespace, 'left', { orphan: true });
    await waitFor('the follower is gone', async () => (await api.get(configMaps, namespace, follower)) === undefined, within);
    await waitFor('the owner is gone', async () => (await api.get(configMaps, namespace, 'left')) === undefined, within);
    expect((await current(orphan)).metadata.ownerReferences).toBeUndefined();
  });

  it('leaves an object alone that has another UID than was said', async () => {
    const uidOf = async () => (await current('renewed')).metadata.uid as string;
    await api.create(configMaps, namespace, body('renewed'));
    const first = await uidOf();
    await api.delete(configMaps, namespace, 'renewed', { uid: first });
    await api.create(configMaps, namespace, body('renewed'));
    await expect(api.delete(configMaps, namespace, 'renewed', { uid: first })).rejects.toMatchObject({ code: 'CLUSTER_CONFLICT' });
    const second = await uidOf();
    expect(second).not.toBe(first);
    await api.delete(configMaps, namespace, 'renewed', { uid: second });
    expect(await api.get(configMaps, namespace, 'renewed')).toBeUndefined();
    await api.delete(configMaps, namespace, 'renewed', { uid: second });
  });

  it('of what is not there is done already', async () => {
    await api.delete(configMaps, namespace, 'never-was');
    await api.delete(configMaps, 'nowhere', 'never-was');
  });
});

describe('watch', () => {
  it('delivers what happened after a revision, byte by byte, and a bookmark where nothing more did', async () => {
    const notes = await defineKind(api, 'notes', 'Note', ['v1']);
    const head = { apiVersion: 'test.io/v1', kind: 'Note' };
    const { revision } = await itemsOf(api, notes, { namespace, limit: 1 });
    const metadata = { name: 'seen', labels: { watched: 'yes' } };
    const added = await api.create(notes, namespace, JSON.stringify({ ...head, metadata, spec: { text: '1 "}{' } }));
    await api.create(notes, namespace, body('unlabelled', head));
    await api.create(notes, 'default', JSON.stringify({ ...head, metadata }));
    const modified = await api.patch(notes, namespace, 'seen', { type: 'merge', body: '{"spec":{"text":"2"}}' });
    await api.delete(notes, namespace, 'seen');
    // A change elsewhere: its revision reaches this kind's watchers only as a bookmark, once the server's cache was asked to come up to it.
    const later = parse(await api.create(namespaces, '', body('later'))).metadata.resourceVersion;
    await api.list(notes, () => {}, { limit: 1, notOlderThan: later });

    const events: { type: string; text: string }[] = [];
    const onEvent = ({ type, object }: WatchEvent) => {
      events.push({ type, text: Buffer.from(object).toString('utf8') });
      return true;
    };
    await api.watch(notes, { revision, timeoutSeconds: 4, namespace, labelSelector: 'watched=yes', onEvent });
    const last = events.at(-1);
    expect(last?.type).toBe('BOOKMARK');
    expect(Number(parse(last?.text).metadata.resourceVersion)).toBeGreaterThanOrEqual(Number(later));
    const changes = events.filter(event => event.type !== 'BOOKMARK');
    expect(changes.map(change => `${change.type} ${nameIn(change.text)}`)).toEqual(['ADDED seen', 'MODIFIED seen', 'DELETED seen']);
    expect(changes.slice(0, 2).map(change => change.text)).toEqual([added, modified]);
  });

  it('ends as soon as it is told to, or aborted', async () => {
    const { revision } = await itemsOf(api, configMaps, { namespace, limit: 1 });
    const abort = new AbortController();
    const forever = api.watch(configMaps, { revision, timeoutSeconds: 600, signal: abort.signal, onEvent: () => true });
    const once = api.watch(configMaps, { revision, timeoutSeconds: 600, onEvent: () => false });
    await api.create(configMaps, namespace, body('a-change'));
    await once;
    abort.abort();
    await expect(forever).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });
});
