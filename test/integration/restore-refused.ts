import { expect, it } from 'vitest';
import { at, type JsonObject } from '../../src/domain/json.ts';
import { waitFor } from '../cluster/wait.ts';
import { getObject, kindOf, restore } from '../helpers/restore.ts';
import { configMaps, definitions, inNamespaces, namespaces, type RestoreLab, widgets } from '../helpers/restore-lab.ts';

const services = kindOf('services/v1 Service');
const quotas = kindOf('resourcequotas/v1 ResourceQuota');
const policies = kindOf('validatingadmissionpolicies.admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy', false);
const policyBindings = kindOf('validatingadmissionpolicybindings.admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding', false);
const webhooks = kindOf('validatingwebhookconfigurations.admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration', false);

/** What a target does not take as it was, for the cluster of restore-choices.test.ts. */
export function refusedRestores(lab: () => RestoreLab): void {
  it('says which field cannot change, and goes on', async () => {
    const { api, make, makeNamespace, backUp, remove } = lab();
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

  it('takes another node port where the old one is in use, and says so', async () => {
    const { api, make, makeNamespace, backUp, remove } = lab();
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
    const { api, makeNamespace, backUp, value } = lab();
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
    const { api, make, makeNamespace, defineWidgets, backUp, remove, value } = lab();
    await defineWidgets(['v1']);
    await makeNamespace('gone', { one: 'a' });
    for (const name of ['w1', 'w2']) await make(widgets, { metadata: { name, namespace: 'gone' }, spec: { size: 1 } });
    const set = await backUp(inNamespaces('gone'));
    await remove(namespaces, '', 'gone');
    await remove(definitions, '', 'widgets.example.com');
    await waitFor('widgets gone', async () => !(await api.discover()).kinds.some(kind => kind.resource === 'widgets'), {
      timeoutMs: 60_000,
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

  it('reports what a policy refuses in its own words, and brings the rest', async () => {
    const { api, make, makeNamespace, backUp, remove, value } = lab();
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
    await waitFor('the policy in force', refused, { timeoutMs: 60_000 });
    const outcome = await restore(set, api, { selection });
    await remove(policyBindings, '', 'no-bad');
    expect(outcome.phase).toBe('PartiallyFailed');
    expect(outcome.problems).toMatchObject([{ severity: 'failed', item: 'configmaps guarded/bad', code: 'CLUSTER_REJECTED' }]);
    expect(outcome.problems[0]?.message).toMatch(/bad is not welcome here/);
    expect(await value('guarded', 'good')).toBe('a');
    await waitFor('the policy gone', async () => !(await refused()), { timeoutMs: 60_000 });
    expect((await restore(set, api, { selection })).totals).toMatchObject({ create: 1, fail: 0 });
  });

  it('reports a webhook that does not answer, and succeeds once it is gone', async () => {
    const { api, make, makeNamespace, backUp, remove } = lab();
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
    await waitFor('the webhook in force', refused, { timeoutMs: 60_000 });
    const outcome = await restore(set, api, { selection });
    await remove(webhooks, '', 'deaf');
    expect(outcome.problems).toMatchObject([{ severity: 'failed', item: 'configmaps hooked/one' }]);
    expect(outcome.problems[0]?.message).toMatch(/deaf\.example\.com/);
    await waitFor('the webhook gone', async () => !(await refused()), { timeoutMs: 60_000 });
    expect((await restore(set, api, { selection })).totals).toMatchObject({ create: 1, fail: 0 });
  });

  it('reports what a quota refuses', async () => {
    const { api, make, makeNamespace, backUp, remove } = lab();
    await makeNamespace('small', { one: 'a', two: 'a', three: 'a' });
    const selection = inNamespaces('small');
    const set = await backUp(selection);
    for (const name of ['one', 'two', 'three']) await remove(configMaps, 'small', name);
    // The cluster's own certificate counts as one, and what was removed does until the controller has heard of it.
    const certificate = async () => (await getObject(api, configMaps, 'small', 'kube-root-ca.crt')) !== undefined;
    await waitFor('the certificate', certificate, { timeoutMs: 60_000 });
    await make(quotas, { metadata: { name: 'few', namespace: 'small' }, spec: { hard: { 'count/configmaps': '2' } } });
    const used = async () => at(await getObject(api, quotas, 'small', 'few'), 'status', 'used', 'count/configmaps');
    await waitFor('the quota in force', async () => (await used()) === '1', { timeoutMs: 60_000 });
    const outcome = await restore(set, api, { selection });
    expect(outcome.phase).toBe('PartiallyFailed');
    expect(outcome.totals).toMatchObject({ create: 1, fail: 2 });
    for (const problem of outcome.problems)
      expect(problem).toMatchObject({ code: 'CLUSTER_REJECTED', message: expect.stringMatching(/exceeded quota: few/) });
  });
}
