import { describe, expect, it } from 'vitest';
import { withApi } from '../../test/helpers/api-context.ts';
import { createMemoryService } from '../../test/helpers/api-memory-service.ts';
import { manifestOf } from '../../test/helpers/api-sets.ts';

const [whole, other, partial] = ['20261101T020000Z-daily-aaaa', '20261102T020000Z-daily-bbbb', '20261103T020000Z-daily-cccc'];
const sets = [
  manifestOf({ id: whole! }),
  manifestOf({ id: other!, selection: { includeNamespaces: ['team-b'] } }),
  manifestOf({ id: partial!, phase: 'PartiallyFailed' }),
];
const api = withApi(() => ({ service: createMemoryService({ sets }) }));
const own = { includeNamespaces: ['team-a'] };
const restoreAs = (name: string, body: object, headers = {}) => api().ask(name, 'POST', 'restores', { set: whole, ...body }, headers);

describe('a tenant', () => {
  it('sees the sets that can hold something of theirs, without figures of the whole cluster', async () => {
    const { body } = await api().ask('tenant', 'GET', 'backups');
    expect(body.items.map(({ id }: { id: string }) => id)).toEqual([partial, whole]);
    for (const set of body.items) expect(set).not.toHaveProperty('objects');
    expect((await api().ask('tenant', 'GET', `backups/${other}`)).status).toBe(404);
  });

  it('sees of a set only what lies in their namespaces', async () => {
    const { body, text } = await api().ask('tenant', 'GET', `backups/${partial}`);
    expect(body.volumes).toMatchObject([{ namespace: 'team-a' }]);
    expect(body.failures).toMatchObject([{ item: 'configmaps team-a/broken' }]);
    expect(body).not.toHaveProperty('manifest');
    expect(body.parts).toContainEqual({ part: 'volumeData', state: 'not-protected', reason: '' });
    expect(text).not.toMatch(/team-b|cluster\.example|configmaps"/);
  });

  it('learns nothing of what others do with a set', async () => {
    await api().ask('admin', 'PUT', `holds/${whole}`, { reason: 'audit of team-b' });
    const { body, text } = await api().ask('tenant', 'GET', `backups/${whole}`);
    expect(body).toMatchObject({ id: whole, retention: { reasons: [] } });
    expect(text).not.toMatch(/audit|admin/);
    expect((await api().ask('admin', 'GET', `backups/${whole}`)).body.hold).toMatchObject({ reason: 'audit of team-b' });
  });

  it('sees of the objects of a set only theirs, counted by themselves', async () => {
    const { body } = await api().ask('tenant', 'GET', `backups/${whole}/objects?from=1`);
    expect(body.items.map(({ namespace }: { namespace: string }) => namespace)).toEqual(['team-a', 'team-a', 'team-a']);
    expect((await api().ask('tenant', 'GET', `backups/${other}/objects`)).status).toBe(404);
  });

  it('restores what is theirs into what is theirs, and nothing cluster-scoped', async () => {
    const { status, body } = await restoreAs('tenant', { selection: own, namespaceMapping: { 'team-a': 'team-a-copy' } });
    expect(status).toBe(202);
    expect(body.namespaces).toEqual(['team-a', 'team-a-*']);
    expect(body.parameters.options).toMatchObject({
      selection: { includeNamespaces: ['team-a'], clusterScoped: 'never' },
      // A namespace that is made for them must give them no right.
      forTenant: true,
    });
    // The command line always says which: what it says by itself would bring the namespaces themselves.
    const auto = await restoreAs('tenant', { selection: { ...own, clusterScoped: 'auto' } });
    expect(auto.body.parameters.options.selection).toMatchObject({ clusterScoped: 'never' });
    const others = await restoreAs('admin', { selection: own });
    expect(others.body.parameters.options).not.toHaveProperty('forTenant');
  });

  it.each<[string, object]>([
    ['no namespace named', {}],
    ['an empty list', { selection: { includeNamespaces: [] } }],
    ['a namespace of others', { selection: { includeNamespaces: ['team-a', 'team-b'] } }],
    ['a pattern that reaches further', { selection: { includeNamespaces: ['team-*'] } }],
    ['cluster-scoped objects', { selection: { ...own, clusterScoped: 'always' } }],
    ['a mapping to others', { selection: own, namespaceMapping: { 'team-a': 'team-b' } }],
    ['a mapping from others', { selection: own, namespaceMapping: { 'team-b': 'team-a' } }],
    ['a Secret of others', { selection: own, identity: { secret: { namespace: 'kube-system', name: 'a', key: 'b' } } }],
    ['a file of the service', { selection: own, identity: { file: 'operator.identity' } }],
  ])('cannot restore with %s, and it is recorded', async (_what, body) => {
    for (const path of ['restores', 'restores/plan']) {
      const answer = await api().ask('tenant', 'POST', path, { set: whole, ...body });
      expect(answer).toMatchObject({ status: 403, body: { code: 'REQUEST_FORBIDDEN' } });
    }
    expect(api().service.refusals).toMatchObject([
      { actor: { name: 'tenant' }, request: 'POST /api/v1/restores' },
      { request: 'POST /api/v1/restores/plan' },
    ]);
    expect((await api().ask('admin', 'GET', 'operations')).body.items).toEqual([]);
  });

  it('backs up and compares only what is theirs', async () => {
    expect((await api().ask('tenant', 'POST', 'backups', { tier: 'daily' })).status).toBe(403);
    const taken = async (selection: object) => (await api().ask('tenant', 'POST', 'backups', { selection })).body.parameters.selection;
    // With the namespaces themselves, which a restore may have to make.
    expect(await taken(own)).toMatchObject({ ...own, clusterScoped: 'auto' });
    expect(await taken({ ...own, clusterScoped: 'never' })).toMatchObject({ ...own, clusterScoped: 'never' });
    expect((await api().ask('tenant', 'POST', 'backups', { selection: { ...own, clusterScoped: 'always' } })).status).toBe(403);
    expect((await api().ask('tenant', 'POST', 'validations', { set: whole })).status).toBe(403);
    expect((await api().ask('tenant', 'POST', 'validations', { set: whole, selection: own, platform: true })).status).toBe(403);
    expect((await api().ask('tenant', 'POST', 'validations', { set: whole, selection: own })).status).toBe(202);
  });

  it('sees and cancels no operation of others', async () => {
    const theirs = (await restoreAs('tenant', { selection: own })).body.id;
    const others = (await restoreAs('admin', {})).body.id;
    const list = (await api().ask('tenant', 'GET', 'operations')).body.items;
    expect(list.map(({ id }: { id: string }) => id)).toEqual([theirs]);
    for (const path of [`operations/${others}`, `operations/${others}/log`, `restores/${others}`]) {
      expect((await api().ask('tenant', 'GET', path)).status).toBe(404);
    }
    expect((await api().ask('tenant', 'DELETE', `operations/${others}`)).status).toBe(404);
    expect((await api().ask('tenant', 'DELETE', `operations/${theirs}`)).status).toBe(202);
    expect((await api().ask('admin', 'GET', `operations/${others}`)).body.phase).toBe('Running');
  });

  it.each(['policies', 'policies/platform', 'objectives', 'retention/plan', 'holds', 'ledger', 'ledger/verification'])(
    'does not see %s',
    async path => {
      expect(await api().ask('tenant', 'GET', path)).toMatchObject({ status: 403, body: { code: 'REQUEST_FORBIDDEN' } });
    },
  );

  it.each<[string, object]>([
    ['verifications', { set: 'all' }],
    ['retention/runs', { confirm: 'd'.repeat(64) }],
  ])('starts no %s', async (path, body) => {
    expect((await api().ask('tenant', 'POST', path, body)).status).toBe(403);
  });
});

describe('the header Holdfast-Namespaces', () => {
  it('keeps a caller of the whole cluster to the namespaces that it names', async () => {
    const headers = { 'holdfast-namespaces': 'team-b' };
    expect((await restoreAs('admin', {}, headers)).status).toBe(403);
    expect((await restoreAs('admin', { selection: { includeNamespaces: ['team-b'] } }, headers)).body.namespaces).toEqual(['team-b']);
  });

  it('cannot widen what a tenant may', async () => {
    expect((await restoreAs('tenant', { selection: { includeNamespaces: ['team-b'] } }, { 'holdfast-namespaces': 'team-b' })).status).toBe(
      403,
    );
    const narrowed = await restoreAs('tenant', { selection: own }, { 'holdfast-namespaces': 'team-a-x' });
    expect(narrowed.status).toBe(403);
  });

  it.each(['', 'team_a', '*', 'a,,b', '../x'])('is refused when it holds no names: %j', async value => {
    expect((await restoreAs('admin', {}, { 'holdfast-namespaces': value })).status).toBe(400);
  });
});
