import { describe, expect, it } from 'vitest';
import { withApi } from '../../../test/helpers/api-context.ts';

const api = withApi();
const set = '20261121T020000Z-daily-aaaa';

describe('operations', () => {
  it('are listed by kind and phase, newest first, and paged', async () => {
    const started = [];
    for (let i = 0; i < 4; i++) started.push((await api().ask('admin', 'POST', i % 2 ? 'backups' : 'verifications', {})).body.id);
    api().service.operations.end(started[1], 'Failed');
    const ids = async (query: string) =>
      (await api().ask('viewer', 'GET', `operations?${query}`)).body.items.map(({ id }: { id: string }) => id);
    expect((await ids('')).sort()).toEqual([...started].sort());
    expect((await ids('kind=verify')).sort()).toEqual([started[0], started[2]].sort());
    expect(await ids('phase=Failed')).toEqual([started[1]]);
    const first = await api().ask('viewer', 'GET', 'operations?limit=3');
    const second = await api().ask('viewer', 'GET', `operations?limit=3&continue=${first.body.continue}`);
    expect([...first.body.items, ...second.body.items]).toHaveLength(4);
  });

  it('say when to ask again only while they run', async () => {
    const { id } = (await api().ask('admin', 'POST', 'backups', {})).body;
    api().service.operations.report(id, 7);
    const running = await api().ask('viewer', 'GET', `operations/${id}`);
    expect(running).toMatchObject({ headers: { 'retry-after': '1' }, body: { progress: { phase: 'read', objects: 7 } } });
    api().service.operations.end(id, 'Completed');
    const ended = await api().ask('viewer', 'GET', `operations/${id}`);
    expect(ended.body).toMatchObject({ phase: 'Completed', summary: { objects: 2 }, finishedAt: expect.any(String) });
    expect(ended.body).not.toHaveProperty('progress');
    expect(ended.headers).not.toHaveProperty('retry-after');
  });

  it('have a log that is read on from where one was', async () => {
    const { id } = (await api().ask('admin', 'POST', 'backups', {})).body;
    const first = (await api().ask('viewer', 'GET', `operations/${id}/log`)).body;
    expect(first).toMatchObject({ lines: [{ level: 'info', message: 'backup started' }], next: 1 });
    api().service.operations.report(id, 7);
    expect((await api().ask('viewer', 'GET', `operations/${id}/log?from=${first.next}`)).body).toMatchObject({
      lines: [{ message: '7 objects' }],
      next: 2,
    });
  });

  it('show nothing of their idempotency keys', async () => {
    const { body } = await api().ask('admin', 'POST', 'backups', {}, { 'idempotency-key': 'k' });
    expect(body).not.toHaveProperty('idempotency');
    expect((await api().service.operations.get(body.id, new AbortController().signal))?.request.idempotency?.key).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('checks', () => {
  it('verify one set or all, and compare the cluster with one', async () => {
    const all = await api().ask('operator', 'POST', 'verifications', { set: 'all' });
    expect(all).toMatchObject({ status: 202, body: { kind: 'verify', subject: 'all' } });
    const validation = await api().ask('restorer', 'POST', 'validations', { set: 'latest', platform: true });
    expect(validation).toMatchObject({ status: 202, body: { kind: 'validate', parameters: { platform: true } } });
    expect((await api().ask('restorer', 'POST', 'verifications', {})).status).toBe(403);
  });
});

describe('policies', () => {
  it('are listed and described with an ETag', async () => {
    const { body } = await api().ask('viewer', 'GET', 'policies');
    const one = await api().ask('viewer', 'GET', 'policies/platform');
    expect(body.items).toEqual([one.body]);
    expect(
      (await api().ask('viewer', 'GET', 'policies/platform', undefined, { 'if-none-match': String(one.headers['etag']) })).status,
    ).toBe(304);
    expect(await api().ask('viewer', 'GET', 'policies/none')).toMatchObject({ status: 404, body: { code: 'POLICY_NOT_FOUND' } });
  });

  it('are judged by their objectives', async () => {
    expect((await api().ask('viewer', 'GET', 'objectives')).body.items).toMatchObject([
      { policy: 'platform', tier: 'daily', state: 'met' },
    ]);
  });
});

describe('retention', () => {
  it('runs the plan that was looked at, and no other', async () => {
    const plan = (await api().ask('viewer', 'GET', 'retention/plan')).body;
    expect(plan.decisions).toHaveLength(2);
    expect(await api().ask('operator', 'POST', 'retention/runs', { confirm: plan.digest })).toMatchObject({
      status: 202,
      body: { kind: 'retention' },
    });
    expect(await api().ask('operator', 'POST', 'retention/runs', { confirm: 'e'.repeat(64) })).toMatchObject({
      status: 409,
      body: { code: 'PLAN_CHANGED' },
    });
    expect((await api().ask('operator', 'POST', 'retention/runs', {})).status).toBe(400);
    expect((await api().ask('restorer', 'POST', 'retention/runs', { confirm: plan.digest })).status).toBe(403);
  });

  it('leaves held sets alone until they are released', async () => {
    const held = await api().ask('operator', 'PUT', `holds/${set}`, { reason: 'audit' });
    expect(held).toMatchObject({ status: 200, body: { set, reason: 'audit', by: 'operator' } });
    expect((await api().ask('operator', 'PUT', `holds/${set}`, { reason: 'other' })).body).toEqual(held.body);
    expect((await api().ask('viewer', 'GET', 'holds')).body.items).toEqual([held.body]);
    expect((await api().ask('viewer', 'GET', `backups/${set}`)).body.hold).toEqual(held.body);
    expect(await api().ask('operator', 'DELETE', `holds/${set}?reason=over`)).toMatchObject({ status: 204, text: '' });
    expect(api().service.released).toEqual([{ set, reason: 'over' }]);
    expect(await api().ask('operator', 'DELETE', `holds/${set}`)).toMatchObject({ status: 404, body: { code: 'HOLD_NOT_FOUND' } });
  });
});

describe('the ledger', () => {
  it('tells of refused requests, newest first', async () => {
    await api().ask('nobody', 'GET', 'ledger');
    await api().ask('viewer', 'POST', 'backups', {});
    const { items, continue: next } = (await api().ask('viewer', 'GET', 'ledger?limit=1')).body;
    expect(items).toMatchObject([{ seq: 2, action: 'request.refused', actor: { name: 'viewer' } }]);
    expect((await api().ask('viewer', 'GET', `ledger?limit=1&continue=${next}`)).body.items).toMatchObject([
      { seq: 1, actor: { name: 'nobody' } },
    ]);
  });

  it('is followed to its end, against a head that was noted', async () => {
    await api().ask('nobody', 'GET', 'ledger');
    const { body } = await api().ask('viewer', 'GET', 'ledger/verification');
    expect(body).toMatchObject({ ok: true, entries: 1, head: { seq: 1 } });
    const held = (seq: number) => api().ask('viewer', 'GET', `ledger/verification?expect=${seq}:${body.head.sha256}`);
    expect((await held(1)).body.ok).toBe(true);
    expect((await held(2)).body.ok).toBe(false);
    expect((await api().ask('viewer', 'GET', 'ledger/verification?expect=1')).status).toBe(400);
  });
});
