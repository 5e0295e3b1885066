import { describe, expect, it } from 'vitest';
import { withApi } from '../../../test/helpers/api-context.ts';
import { createMemoryService } from '../../../test/helpers/api-memory-service.ts';
import { manifestOf } from '../../../test/helpers/api-sets.ts';

const set = '20261101T020000Z-daily-aaaa';
const api = withApi(() => ({ service: createMemoryService({ sets: [manifestOf({ id: set })] }) }));
const from = { namespace: 'team-a', claim: 'data' };
const restore = (more: object = {}) => ({ set, from, ...more });

describe('volumes of a set', () => {
  it('are listed for who may look, and to tenants only their own', async () => {
    expect((await api().ask('viewer', 'GET', `backups/${set}/volumes`)).body.items).toHaveLength(2);
    expect((await api().ask('tenant', 'GET', `backups/${set}/volumes`)).body.items).toMatchObject([{ namespace: 'team-a', claim: 'data' }]);
  });

  it('show their files to who may plan restores, and to no tenant of another namespace', async () => {
    const path = `backups/${set}/volumes/files`;
    const { status, body } = await api().ask('restorer', 'POST', path, { ...from, path: '/src' });
    expect(status).toBe(200);
    expect(body).toMatchObject({ truncated: false, items: [{ path: '/src/file-0', type: 'file' }, {}, {}] });
    const rest = await api().ask('restorer', 'POST', path, { ...from, path: '/src', from: 2 });
    expect(rest.body).toMatchObject({ truncated: false, items: [{ path: '/src/file-2' }] });
    expect((await api().ask('viewer', 'POST', path, from)).status).toBe(403);
    expect((await api().ask('tenant', 'POST', path, from)).status).toBe(200);
    expect((await api().ask('tenant', 'POST', path, { namespace: 'team-b', claim: 'data' })).status).toBe(403);
  });
});

describe('the restore of a claim', () => {
  it('is an operation like any restore, shown as one', async () => {
    const { status, body } = await api().ask('restorer', 'POST', 'restores/volumes', restore({ inPlace: true, include: ['/src'] }));
    expect({ status, body }).toMatchObject({ status: 202, body: { kind: 'restore', phase: 'Running' } });
    expect((await api().ask('viewer', 'GET', `restores/${body.id}`)).status).toBe(200);
  });

  it('is not for who may only look or take backups', async () => {
    for (const name of ['viewer', 'operator']) expect((await api().ask(name, 'POST', 'restores/volumes', restore())).status).toBe(403);
  });

  it('begins and ends in a tenant’s own namespaces', async () => {
    const ask = async (more: object) => (await api().ask('tenant', 'POST', 'restores/volumes', restore(more))).status;
    expect(await ask({})).toBe(202);
    expect(await ask({ to: { namespace: 'team-a-old', claim: 'data' } })).toBe(202);
    expect(await ask({ to: { namespace: 'team-b', claim: 'data' } })).toBe(403);
    expect(await ask({ from: { namespace: 'team-b', claim: 'data' } })).toBe(403);
  });

  it('refuses wishes that contradict each other, and paths that lead out of the volume', async () => {
    const ask = async (more: object) => (await api().ask('restorer', 'POST', 'restores/volumes', restore(more))).body.code;
    expect(await ask({ deleteOthers: true })).toBe('REQUEST_CONTRADICTORY');
    expect(await ask({ inPlace: true, deleteOthers: true, include: ['/a'] })).toBe('REQUEST_CONTRADICTORY');
    expect(await ask({ scaleDown: true })).toBe('REQUEST_CONTRADICTORY');
    expect(await ask({ inPlace: true, include: ['/a/../../b'] })).toBe('REQUEST_CONTRADICTORY');
    expect(await ask({ include: ['a'] })).toBe('REQUEST_INVALID');
  });
});

describe('what is left over', () => {
  it('is shown to who sees retention, and removed by who runs it; tenants see nothing of it', async () => {
    expect((await api().ask('viewer', 'GET', 'volumes/orphans')).body.items).toHaveLength(1);
    expect((await api().ask('viewer', 'POST', 'volumes/orphans/removals', {})).status).toBe(403);
    expect((await api().ask('operator', 'POST', 'volumes/orphans/removals', {})).body.items).toMatchObject([{ removed: true }]);
    expect((await api().ask('tenant', 'GET', 'volumes/orphans')).status).toBe(403);
  });
});
