import { describe, expect, it } from 'vitest';
import { withApi } from '../../../test/helpers/api-context.ts';
import { createMemoryService, objectsOfASet } from '../../../test/helpers/api-memory-service.ts';
import { manifestOf } from '../../../test/helpers/api-sets.ts';

const ids = Array.from({ length: 7 }, (_, day) => `2026110${day + 1}T020000Z-${day % 2 === 0 ? 'daily' : 'weekly'}-aaaa`);
const api = withApi(() => ({ service: createMemoryService({ sets: ids.map(id => manifestOf({ id })) }) }));
const idsOf = (items: readonly { id: string }[]) => items.map(({ id }) => id);

describe('the list of backups', () => {
  it('comes newest first, page by page, without gaps or repetitions', async () => {
    const seen: string[] = [];
    let path = 'backups?limit=3';
    for (let pages = 0; pages < 5; pages++) {
      const { body } = await api().ask('viewer', 'GET', path);
      seen.push(...idsOf(body.items));
      // A set that is deleted meanwhile moves nothing.
      api().service.sets.splice(0, pages === 0 ? 1 : 0);
      if (body.continue === undefined) break;
      path = `backups?limit=3&continue=${body.continue}`;
    }
    expect(seen).toEqual(ids.slice(1).reverse());
  });

  it('is narrowed by tier, phase and policy', async () => {
    const count = async (query: string) => (await api().ask('viewer', 'GET', `backups?${query}`)).body.items.length;
    expect(await count('tier=weekly')).toBe(3);
    expect(await count('phase=PartiallyFailed')).toBe(0);
    expect(await count('policy=platform&tier=daily')).toBe(4);
  });

  it.each([
    'continue=x',
    'continue=latest',
    'continue=..%2f',
    'tier=Daily',
    'phase=Failed',
    'limit=501',
    'limit=-1',
    'limit=a',
    'color=red',
  ])('refuses %s', async query => {
    expect(await api().ask('viewer', 'GET', `backups?${query}`)).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
  });
});

describe('one backup', () => {
  it('is found by id, by the beginning of one, by day, and as latest', async () => {
    const idOf = async (set: string) => (await api().ask('viewer', 'GET', `backups/${set}`)).body.id;
    expect(await idOf(ids[2]!)).toBe(ids[2]);
    expect(await idOf('20261103T02')).toBe(ids[2]);
    expect(await idOf('2026-11-03')).toBe(ids[2]);
    expect(await idOf('latest')).toBe(ids[6]);
  });

  it('is found as latest by what it must hold, which a caller may ask of namespaces of theirs', async () => {
    const { service, ask } = api();
    const selection = { includeNamespaces: ['team-a'], clusterScoped: 'never' } as const;
    service.sets.push(manifestOf({ id: '20261108T020000Z-daily-aaaa', selection }));
    const newest = async (query: string) => (await ask('viewer', 'GET', `backups/latest?${query}`)).body.id;
    expect(await newest('namespaces=team-a')).toBe('20261108T020000Z-daily-aaaa');
    expect(await newest('namespaces=team-a&clusterScoped=always')).toBe(ids[6]);
    expect(await newest('namespaces=team-a,team-b')).toBe(ids[6]);
    expect((await ask('viewer', 'GET', 'backups/latest?namespaces=Team')).status).toBe(400);
    expect((await ask('tenant', 'GET', 'backups/latest?namespaces=team-a')).status).toBe(200);
    expect((await ask('tenant', 'GET', 'backups/latest?namespaces=team-b')).status).toBe(403);
  });

  it('shows its manifest, who signed it and why it is kept', async () => {
    const { body } = await api().ask('viewer', 'GET', 'backups/latest');
    expect(body.manifest).toEqual(manifestOf({ id: ids[6]! }));
    expect(body).toMatchObject({ sealed: true, signature: { verified: true }, retention: { reasons: ['daily: younger than 30 days'] } });
  });

  it('is not sent again to who has it already', async () => {
    const { headers } = await api().ask('viewer', 'GET', 'backups/latest');
    const again = await api().ask('viewer', 'GET', 'backups/latest', undefined, { 'if-none-match': `"other", ${headers['etag']}` });
    expect(again).toMatchObject({ status: 304, text: '' });
    const changed = await api().ask('viewer', 'GET', `backups/${ids[0]}`, undefined, { 'if-none-match': String(headers['etag']) });
    expect(changed.status).toBe(200);
  });

  it('that is not there is 404', async () => {
    expect(await api().ask('viewer', 'GET', 'backups/19990101T000000Z-daily-aaaa')).toMatchObject({
      status: 404,
      body: { code: 'BACKUP_NOT_FOUND' },
    });
  });
});

describe('the objects of a backup', () => {
  it('come page by page, each with its name, digest and size', async () => {
    const names: string[] = [];
    for (let from = 0, pages = 0; pages < 4; pages++) {
      const { body } = await api().ask('viewer', 'GET', `backups/latest/objects?limit=3&from=${from}`);
      for (const { name, digest, size } of body.items) {
        names.push(name);
        expect({ digest, size }).toEqual({ digest: expect.stringMatching(/^sha256:/), size: expect.any(Number) });
      }
      if (body.next === from) break;
      from = body.next;
    }
    expect(names).toEqual(Array.from({ length: objectsOfASet }, (_, n) => `${ids[6]!.slice(0, 8)}-${n}`));
  });

  it.each(['limit=5001', 'from=-1', 'from=x', 'continue=1'])('are not asked for by %s', async query => {
    expect((await api().ask('viewer', 'GET', `backups/latest/objects?${query}`)).status).toBe(400);
  });

  it('of none are 404, and not for who may not see it', async () => {
    expect((await api().ask('viewer', 'GET', 'backups/1999/objects')).status).toBe(404);
    expect((await api().ask('nobody', 'GET', 'backups/latest/objects')).status).toBe(403);
  });
});

describe('a backup on demand', () => {
  it('is started, and says where to follow it', async () => {
    const { status, headers, body } = await api().ask('operator', 'POST', 'backups', { tier: 'daily' });
    expect(status).toBe(202);
    expect(body).toMatchObject({ kind: 'backup', phase: 'Running', subject: 'daily', actor: { name: 'operator', via: 'api' } });
    expect(headers['location']).toBe(`/api/v1/operations/${body.id}`);
    expect((await api().ask('viewer', 'GET', String(headers['location']))).body).toEqual(body);
  });

  it('is started once for one Idempotency-Key, and never for another body', async () => {
    const send = (body: object, name = 'operator') => api().ask(name, 'POST', 'backups', body, { 'idempotency-key': 'night-1' });
    const first = await send({ tier: 'daily', policy: 'platform' });
    const again = await send({ policy: 'platform', tier: 'daily' });
    expect(again.body.id).toBe(first.body.id);
    expect(await send({ tier: 'weekly' })).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_MISMATCH' } });
    // The key of somebody else is another key.
    expect((await send({ tier: 'daily', policy: 'platform' }, 'admin')).body.id).not.toBe(first.body.id);
    const bad = await api().ask('operator', 'POST', 'backups', {}, { 'idempotency-key': 'x'.repeat(300) });
    expect(bad).toMatchObject({ status: 400, body: { errors: [{ pointer: '/headers/idempotency-key' }] } });
  });

  it('may say what is done about volumes, which is another body', async () => {
    const send = (body: object) => api().ask('operator', 'POST', 'backups', body, { 'idempotency-key': 'volumes-1' });
    for (const volumes of ['none', 'snapshots', 'data']) {
      expect((await api().ask('operator', 'POST', 'backups', { volumes })).status).toBe(202);
    }
    expect((await send({ volumes: 'data' })).status).toBe(202);
    expect(await send({ volumes: 'none' })).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_MISMATCH' } });
    const strange = await api().ask('operator', 'POST', 'backups', { volumes: 'all' });
    expect(strange).toMatchObject({ status: 400, body: { errors: [{ pointer: '/body/volumes' }] } });
  });

  it('of a selection that cannot be read, or a policy that is not there, is refused', async () => {
    expect((await api().ask('operator', 'POST', 'backups', { selection: { labelSelector: 'a=(b' } })).status).toBe(400);
    expect((await api().ask('operator', 'POST', 'backups', { selection: { includeNamespaces: ['****'] } })).status).toBe(400);
    expect((await api().ask('operator', 'POST', 'backups', { policy: 'none' })).body.code).toBe('POLICY_NOT_FOUND');
  });
});

describe('the deletion of one set', () => {
  const [old = '', newest = ''] = [ids[0], ids.at(-1)];

  it('can be looked at first: what goes, what keeps it, and whether it may', async () => {
    const { status, body } = await api().ask('viewer', 'GET', `backups/${old}/deletion`);
    expect([status, body]).toMatchObject([200, { set: old, phase: 'Completed', objects: 2, keptBy: ['daily: younger than 30 days'] }]);
    expect(body).not.toHaveProperty('refusal');
    const last = await api().ask('viewer', 'GET', `backups/${newest}/deletion?without=${ids.slice(0, -1).join(',')}`);
    expect(last.body.refusal).toMatchObject({ code: 'BACKUP_NEEDED' });
    expect((await api().ask('viewer', 'GET', `backups/${newest}/deletion?without=${old},;`)).status).toBe(400);
  });

  it('is started by an operator, with a reason for the ledger', async () => {
    const { status, headers, body } = await api().ask('operator', 'DELETE', `backups/${old}?reason=a%20test`);
    expect(status).toBe(202);
    expect(body).toMatchObject({ kind: 'delete', subject: old, actor: { name: 'operator' }, parameters: { set: old, reason: 'a test' } });
    expect(headers['location']).toBe(`/api/v1/operations/${body.id}`);
    expect((await api().ask('viewer', 'GET', 'operations?kind=delete')).body.items).toEqual([body]);
  });

  it.each(['latest', '2026-11-21', '20261121', '20261121T020000Z-daily', 'all', '..'])('takes no %s: by a full id alone', async text => {
    const { status } = await api().ask('operator', 'DELETE', `backups/${encodeURIComponent(text)}`);
    expect([400, 404]).toContain(status);
    expect((await api().ask('viewer', 'GET', 'operations')).body.items).toEqual([]);
  });

  it('is nothing for who may not delete, nor for a tenant, and is recorded', async () => {
    for (const name of ['viewer', 'restorer', 'tenant']) {
      expect(await api().ask(name, 'DELETE', `backups/${old}`)).toMatchObject({ status: 403, body: { code: 'REQUEST_FORBIDDEN' } });
    }
    expect((await api().ask('tenant', 'GET', `backups/${old}/deletion`)).status).toBe(403);
    expect(await api().ask('admin', 'DELETE', `backups/${old}`, undefined, { 'holdfast-namespaces': 'team-a' })).toMatchObject({
      status: 403,
    });
    expect(api().service.refusals[0]).toMatchObject({ actor: { name: 'viewer' }, request: 'DELETE /api/v1/backups/:set' });
    expect((await api().ask('viewer', 'GET', 'operations')).body.items).toEqual([]);
  });

  it('is refused with what keeps it, and what to do', async () => {
    await api().ask('operator', 'PUT', `holds/${old}`, { reason: 'audit' });
    expect(await api().ask('operator', 'DELETE', `backups/${old}`)).toMatchObject({
      status: 409,
      body: { code: 'BACKUP_HELD', detail: `${old} is held`, hint: expect.stringContaining('holdfast release') },
    });
    expect(await api().ask('operator', 'DELETE', 'backups/20200101T020000Z-daily-zzzz')).toMatchObject({
      status: 404,
      body: { code: 'BACKUP_NOT_FOUND' },
    });
  });

  it('is one for one Idempotency-Key, and another set is another request', async () => {
    const send = (set: string, query = '') =>
      api().ask('operator', 'DELETE', `backups/${set}${query}`, undefined, { 'idempotency-key': 'k-1' });
    const first = await send(old);
    expect((await send(old)).body.id).toBe(first.body.id);
    expect(await send(newest)).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_MISMATCH' } });
    expect(await send(old, '?reason=other')).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_MISMATCH' } });
  });
});
