import { describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, type JsonObject } from '../../src/domain/json.ts';
import type { RestoreOptions } from '../../src/domain/restore-plan.ts';
import { waitFor } from '../cluster/wait.ts';
import { getObject, plan, restore } from '../helpers/restore.ts';
import { configMaps, definitions, inNamespaces, namespaces, widgets, withRestoreLab } from '../helpers/restore-lab.ts';

const level = (mode: string) => `pod-security.kubernetes.io/${mode}`;
const range = { 'openshift.io/sa.scc.uid-range': '1000660000/10000' };

/** As the API asks for one on behalf of a caller who is restricted to namespaces. */
const tenant = (...names: string[]) =>
  ({ selection: { ...inNamespaces(...names), clusterScoped: 'never' }, forTenant: true }) satisfies Partial<RestoreOptions>;

describe('the namespace of a restore for a tenant', () => {
  const lab = withRestoreLab('restore-tenant');

  const living = async (name: string) => at(await getObject(lab().api, namespaces, '', name), 'metadata') as JsonObject;
  const labelsOf = async (name: string) => {
    const { 'kubernetes.io/metadata.name': own, team: _team, ...rest } = (await living(name))['labels'] as JsonObject;
    expect(own).toBe(name);
    return rest;
  };
  const change = (name: string, metadata: JsonObject) =>
    lab().api.patch(namespaces, '', name, { type: 'merge', body: JSON.stringify({ metadata }) });
  /** With these labels and annotations when it is backed up. */
  const backedUp = async (name: string, metadata: JsonObject) => {
    const { makeNamespace, backUp } = lab();
    await makeNamespace(name, { one: 'a' });
    await change(name, metadata);
    return backUp(inNamespaces(name));
  };
  const warnings = (outcome: { readonly problems: readonly { readonly item: string; readonly message: string }[] }, name: string) =>
    outcome.problems.filter(({ item }) => item === `namespaces ${name}`).map(({ message }) => message);

  it('comes back as the backup has it, where it is missing', async () => {
    const { api, remove } = lab();
    const labels = { [level('enforce')]: 'restricted', [level('enforce-version')]: 'v1.30', 'istio-injection': 'enabled' };
    const set = await backedUp('whole', { labels, annotations: { owner: 'team', ...range } });
    await remove(namespaces, '', 'whole');
    const planned = await plan(set, api, tenant('whole'));
    const outcome = await restore(set, api, tenant('whole'));
    expect(await labelsOf('whole')).toEqual(labels);
    const { annotations } = await living('whole');
    expect(annotations).toEqual({ owner: 'team' });
    const note = expect.stringContaining('openshift.io/sa.scc.uid-range');
    expect(warnings(outcome, 'whole')).toEqual([note]);
    expect(planned.steps.find(({ step }) => step === 'namespaces')?.objects).toMatchObject([
      { name: 'whole', action: 'create', reason: note },
    ]);
  });

  it('is made without a level that lets everything through, which an operator brings back', async () => {
    const { api, remove } = lab();
    const labels = { [level('enforce')]: 'privileged', [level('warn')]: 'baseline' };
    const set = await backedUp('lax', { labels, annotations: range });
    await remove(namespaces, '', 'lax');
    const outcome = await restore(set, api, tenant('lax'));
    expect(await labelsOf('lax')).toEqual({ [level('warn')]: 'baseline' });
    expect(warnings(outcome, 'lax')).toEqual([expect.stringContaining(`without ${level('enforce')}=privileged`), expect.any(String)]);
    await remove(namespaces, '', 'lax');
    const { selection } = tenant('lax');
    await restore(set, api, { selection });
    expect(await labelsOf('lax')).toEqual(labels);
    expect((await living('lax'))['annotations']).toEqual(range);
  });

  it.each(['skip', 'update', 'recreate'] as const)('stays as it is where it lives, with --existing=%s', async existing => {
    const { api, remove, value } = lab();
    const name = `living-${existing}`;
    const set = await backedUp(name, { labels: { [level('enforce')]: 'baseline' } });
    await change(name, { labels: { [level('enforce')]: 'restricted', 'istio-injection': 'enabled' } });
    const before = await living(name);
    await remove(configMaps, name, 'one');
    await restore(set, api, { ...tenant(name), existing });
    expect(await value(name, 'one')).toBe('a');
    expect(await living(name)).toEqual(before);
  });

  it('stays as somebody makes it while the restore is under way', async () => {
    const { api, make, backUp, remove, value } = lab();
    // Applied by one manager alone, it would be applied again, and an apply merges into what is there.
    const body = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'raced', labels: { [level('enforce')]: 'baseline' } },
    });
    await api.patch(namespaces, '', 'raced', { type: 'apply', body }, { fieldManager: 'gitops' });
    await make(configMaps, { metadata: { name: 'one', namespace: 'raced' }, data: { value: 'a' } });
    const set = await backUp(inNamespaces('raced'));
    await remove(namespaces, '', 'raced');
    let made: JsonObject | undefined;
    const appear = async () => {
      if (made !== undefined) return;
      await make(namespaces, { metadata: { name: 'raced', labels: { [level('enforce')]: 'restricted' } } }, 'administrator');
      made = await living('raced');
    };
    const isIt = (kind: { readonly resource: string }) => kind.resource === 'namespaces';
    const meanwhile: ClusterApi = {
      ...api,
      create: async (kind, ...rest) => {
        if (isIt(kind)) await appear();
        return api.create(kind, ...rest);
      },
      patch: async (kind, ...rest) => {
        if (isIt(kind)) await appear();
        return api.patch(kind, ...rest);
      },
    };
    const outcome = await restore(set, meanwhile, { ...tenant('raced'), existing: 'update' });
    expect(made).toBeDefined();
    expect(await living('raced')).toEqual(made);
    expect(await value('raced', 'one')).toBe('a');
    expect(outcome).toMatchObject({ phase: 'Completed', totals: { 'skip-differs': 1 } });
  });

  it('keeps who applied it', async () => {
    const { api, backUp, make, remove } = lab();
    const body = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'applied', labels: { [level('warn')]: 'baseline' } },
    });
    await api.patch(namespaces, '', 'applied', { type: 'apply', body }, { fieldManager: 'gitops' });
    await make(configMaps, { metadata: { name: 'one', namespace: 'applied' } });
    const set = await backUp(inNamespaces('applied'));
    await remove(namespaces, '', 'applied');
    await restore(set, api, tenant('applied'));
    expect((await living('applied'))['managedFields']).toMatchObject([{ manager: 'gitops', operation: 'Apply' }]);
    expect((await restore(set, api, tenant('applied'))).writes).toBe(0);
  });

  it('is no laxer as a copy than the living one that it is a copy of', async () => {
    const { api } = lab();
    const set = await backedUp('origin', { labels: { [level('enforce')]: 'baseline', 'istio-injection': 'enabled' } });
    await change('origin', { labels: { [level('enforce')]: 'restricted' } });
    const outcome = await restore(set, api, { ...tenant('origin'), namespaceMapping: { origin: 'copied' } });
    expect(await labelsOf('copied')).toEqual({ [level('enforce')]: 'restricted', 'istio-injection': 'enabled' });
    expect(warnings(outcome, 'copied')).toEqual([expect.stringContaining('the namespace has it that it is a copy of')]);
  });

  it('is all that is made outside of namespaces: a definition is not', async () => {
    const { api, make, makeNamespace, defineWidgets, backUp, remove } = lab();
    await defineWidgets(['v1']);
    await makeNamespace('custom', { one: 'a' });
    await make(widgets, { metadata: { name: 'w', namespace: 'custom' } });
    const set = await backUp({ ...inNamespaces('custom'), clusterScoped: 'always' });
    await remove(namespaces, '', 'custom');
    await remove(definitions, '', 'widgets.example.com');
    const served = async () => (await api.discover()).kinds.some(kind => kind.resource === 'widgets');
    await waitFor('widgets are not served', async () => !(await served()), { timeoutMs: 60_000 });
    const planned = await plan(set, api, tenant('custom'));
    const outcome = await restore(set, api, tenant('custom'));
    expect(await lab().value('custom', 'one')).toBe('a');
    expect(await api.get(definitions, '', 'widgets.example.com')).toBeUndefined();
    const refused = { item: 'widgets.example.com', objects: 1, message: expect.stringContaining('does not serve') };
    for (const { problems } of [planned, outcome]) expect(problems).toContainEqual(expect.objectContaining(refused));
    expect(outcome).toMatchObject({ phase: 'PartiallyFailed', totals: { fail: 1 } });
  });

  it('is told to be bare where the backup has only what lies in it', async () => {
    const { api, makeNamespace, backUp, remove } = lab();
    await makeNamespace('unheld', { one: 'a' });
    await change('unheld', { labels: { [level('enforce')]: 'baseline', 'istio-injection': 'enabled' } });
    const options = tenant('unheld');
    const set = await backUp(options.selection);
    const copy = await restore(set, api, { ...options, namespaceMapping: { unheld: 'unheld-copy' } });
    expect(await labelsOf('unheld-copy')).toEqual({ [level('enforce')]: 'baseline' });
    expect(warnings(copy, 'unheld-copy')).toEqual([expect.stringContaining('is not in the backup')]);
    await remove(namespaces, '', 'unheld');
    const outcome = await restore(set, api, options);
    expect(await labelsOf('unheld')).toEqual({});
    expect(warnings(outcome, 'unheld')).toEqual([expect.stringMatching(/not in the backup.*Pod Security/)]);
  });
});
