import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { withApi } from '../../../test/helpers/api-context.ts';
import { HoldfastError } from '../../domain/errors.ts';

const secret = 'AGE-SECRET-KEY-1WHISPERWHISPERWHISPER';
const lines: string[] = [];
const log = pino({ level: 'trace' }, { write: line => void lines.push(line) });
const api = withApi(() => ({ log }));
const restore = (more: object = {}) => ({ set: 'latest', identity: { value: secret }, ...more });
const blank = (bytes: Uint8Array | undefined) => bytes !== undefined && bytes.length > 0 && bytes.every(byte => byte === 0);

describe('planning a restore', () => {
  it('answers with the plan, and starts nothing', async () => {
    const { status, body } = await api().ask('restorer', 'POST', 'restores/plan', restore({ namespaceMapping: { a: 'b' } }));
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { existing: 'skip', namespaceMapping: { a: 'b' }, totals: { create: 2 } },
    });
    expect((await api().ask('restorer', 'GET', 'operations')).body.items).toEqual([]);
  });

  it('says that the identity is missing', async () => {
    expect(await api().ask('restorer', 'POST', 'restores/plan', { set: 'latest' })).toMatchObject({
      status: 422,
      body: { code: 'IDENTITY_MISSING' },
    });
  });

  it('is not for who may only look', async () => {
    expect(await api().ask('viewer', 'POST', 'restores/plan', restore())).toMatchObject({
      status: 403,
      body: { code: 'REQUEST_FORBIDDEN' },
    });
    expect(api().service.refusals).toMatchObject([{ actor: { name: 'viewer' }, request: 'POST /api/v1/restores/plan', count: 1 }]);
  });
});

describe('a restore', () => {
  it('is started, shown, listed and cancelled', async () => {
    const { body } = await api().ask('restorer', 'POST', 'restores', restore());
    const shown = await api().ask('viewer', 'GET', `restores/${body.id}`);
    expect(shown).toMatchObject({ status: 200, headers: { 'retry-after': '1' }, body: { kind: 'restore', phase: 'Running' } });
    expect((await api().ask('viewer', 'GET', 'restores')).body.items).toHaveLength(1);
    expect(await api().ask('restorer', 'DELETE', `restores/${body.id}`)).toMatchObject({ status: 202, body: { phase: 'Cancelled' } });
    expect(await api().ask('restorer', 'DELETE', `restores/${body.id}`)).toMatchObject({ status: 409, body: { code: 'OPERATION_ENDED' } });
  });

  it('is another one for another mapping under the same Idempotency-Key, whatever a namespace is called', async () => {
    const send = (identity: string, target: string) =>
      api().ask('restorer', 'POST', 'restores', restore({ identity: { value: identity }, namespaceMapping: { identity: target } }), {
        'idempotency-key': 'mapped',
      });
    const { body } = await send(secret, 'team-a');
    expect((await send(secret.toLowerCase(), 'team-a')).body.id).toBe(body.id);
    expect(await send(secret, 'team-b')).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_MISMATCH' } });
  });

  it('is not confused with other operations', async () => {
    const { body } = await api().ask('operator', 'POST', 'backups', {});
    expect(await api().ask('admin', 'GET', `restores/${body.id}`)).toMatchObject({ status: 404, body: { code: 'OPERATION_NOT_FOUND' } });
    expect(await api().ask('admin', 'DELETE', `restores/${body.id}`)).toMatchObject({ status: 404 });
    expect((await api().ask('viewer', 'GET', 'restores')).body.items).toEqual([]);
  });

  it('refuses sizes of claims that are none, and of claims that are not the caller’s', async () => {
    const asked = (who: 'restorer' | 'tenant', volumeSizes: object) =>
      api().ask(
        who,
        'POST',
        'restores',
        restore({ volumeSizes, ...(who === 'tenant' && { selection: { includeNamespaces: ['team-a'] } }) }),
      );
    expect((await asked('restorer', { 'agents/workspace': '20Gi' })).status).toBe(202);
    expect((await asked('restorer', { 'agents/workspace': 'large' })).status).toBe(400);
    expect((await asked('restorer', { workspace: '20Gi' })).status).toBe(400);
    expect((await asked('tenant', { 'team-a/data': '20Gi' })).status).toBe(202);
    expect((await asked('tenant', { 'team-b/data': '20Gi' })).status).toBe(403);
  });

  it('refuses a mapping that puts two namespaces into one, and names that are none', async () => {
    const refused = async (namespaceMapping: object) =>
      (await api().ask('restorer', 'POST', 'restores', restore({ namespaceMapping }))).status;
    expect(await refused({ a: 'c', b: 'c' })).toBe(422);
    expect(await refused({ a: '../b' })).toBe(400);
    expect(await refused(JSON.parse('{"__proto__":"b"}'))).toBe(400);
    expect(await refused(JSON.parse('{"\\u005f_proto__":"b"}'))).toBe(400);
    expect(await refused({ a: 'b', b: 'a' })).toBe(202);
  });
});

describe('the identity of a restore', () => {
  it('reaches the service byte for byte, is wiped when the work has ended, and is nowhere else', async () => {
    const { service, ask } = api();
    const started = await ask('restorer', 'POST', 'restores', restore({ identity: { value: `# key\n${secret}\n` } }));
    expect(service.operations.identities).toEqual([`# key\n${secret}\n`]);
    service.operations.end(started.body.id, 'Completed');
    expect(blank(service.operations.held[0])).toBe(true);
    const everything = [
      started.text,
      (await ask('admin', 'GET', `operations/${started.body.id}`)).text,
      (await ask('admin', 'GET', `operations/${started.body.id}/log`)).text,
      (await ask('admin', 'GET', 'ledger')).text,
      JSON.stringify(await service.operations.get(started.body.id, AbortSignal.any([]))),
      ...lines,
    ].join('\n');
    expect(everything).toContain('/api/v1/restores');
    expect(everything).not.toContain('WHISPER');
  });

  it('is wiped at once where nothing comes of the request', async () => {
    const { service, ask } = api();
    let seen: Uint8Array | undefined;
    const { start } = service.operations;
    service.operations.start = async work => {
      seen = 'identity' in work && work.identity?.from === 'value' ? work.identity.bytes : undefined;
      throw new HoldfastError('BACKUP_CORRUPT', 'the set is damaged');
    };
    expect((await ask('restorer', 'POST', 'restores', restore())).status).toBe(422);
    expect(blank(seen)).toBe(true);
    service.operations.start = start;
    const key = { 'idempotency-key': 'once' };
    const [first, again] = [
      await ask('restorer', 'POST', 'restores', restore(), key),
      await ask('restorer', 'POST', 'restores', restore(), key),
    ];
    expect(again.body.id).toBe(first.body.id);
    expect(service.operations.held).toHaveLength(1);
  });

  it('may be a Secret or a file of the service, never a path', async () => {
    const { ask } = api();
    const status = async (identity: unknown) => (await ask('restorer', 'POST', 'restores', restore({ identity }))).status;
    expect(await status({ secret: { namespace: 'ops', name: 'identity', key: 'operator.txt' } })).toBe(202);
    expect(await status({ file: 'operator.identity' })).toBe(202);
    for (const file of ['../operator.identity', '/etc/passwd', '..', '.hidden', 'a/b', 'a\u0000b', ''])
      expect(await status({ file })).toBe(400);
    expect(await status({ secret: { namespace: '../kube-system', name: 'a', key: 'b' } })).toBe(400);
    expect(await status({ value: '' })).toBe(400);
    expect(await status({ value: 7 })).toBe(400);
    expect(await status({ value: 'x', file: 'y' })).toBe(400);
  });
});
