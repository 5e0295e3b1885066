import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { apiOptions, tokenOf } from '../../test/helpers/api-context.ts';
import { createMemoryService } from '../../test/helpers/api-memory-service.ts';
import { manifestOf } from '../../test/helpers/api-sets.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { listenApi } from '../api/listen.ts';
import { HoldfastError } from '../domain/errors.ts';
import { createClient } from './client.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const ids = Array.from({ length: 5 }, (_, day) => `2026110${day + 1}T020000Z-daily-aaaa`);

async function setup({ as = 'admin', url = '' } = {}) {
  const options = apiOptions({ service: createMemoryService({ sets: ids.map(id => manifestOf({ id })) }) });
  const api = await listenApi({ ...options, host: '127.0.0.1', port: 0, onWarning: () => {} });
  const dispatcher = new Agent();
  closing.push(
    () => dispatcher.destroy(),
    () => api.close(0),
  );
  const pauses: number[] = [];
  const runtime = { ...testRuntime, sleep: async (ms: number) => void pauses.push(ms) };
  const client = createClient({ url: url || api.url, token: () => tokenOf(as), dispatcher, runtime });
  return { client, service: options.service, pauses };
}

/** A server that answers in turn what it is told. */
async function answering(answers: readonly { status: number; headers?: Record<string, string>; body: string }[]) {
  const keys: unknown[] = [];
  let turn = 0;
  const server = createServer((request, response) => {
    keys.push(request.headers['idempotency-key']);
    const { status, headers, body } = answers[Math.min(turn++, answers.length - 1)]!;
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise(resolve => server.close(resolve)));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, keys, turns: () => turn };
}

const problem = (code: string, status: number, more: Record<string, string> = {}) => ({
  status,
  headers: { 'content-type': 'application/problem+json', ...more },
  body: JSON.stringify({ type: 'urn:x', title: 'x', status, detail: 'in its words', instance: '/', code, hint: 'do that' }),
});

describe('the client', () => {
  it('walks through every page of a list', async () => {
    const { client } = await setup();
    const seen = await Array.fromAsync(client.all(from => client.backups.list({ query: { limit: 2, tier: 'daily', ...from } })));
    expect(seen.map(({ id }) => id)).toEqual(ids.toReversed());
  });

  it('takes a backup and waits for its end', async () => {
    const { client, service, pauses } = await setup();
    const { id } = await client.backups.create({ body: { tier: 'daily' } });
    const phases: string[] = [];
    const ended = await client.waitFor(id, {
      onState: ({ phase }) => {
        phases.push(phase);
        if (phases.length === 2) service.operations.end(id, 'Completed');
      },
    });
    expect(ended).toMatchObject({ id, phase: 'Completed', summary: { objects: 2 } });
    expect(phases).toEqual(['Running', 'Running', 'Completed']);
    expect(pauses).toEqual([1_000, 1_000]);
  });

  it('knows every method of every resource', async () => {
    const { client } = await setup();
    const [set = ''] = ids;
    expect((await client.backups.get({ params: { set: 'latest' } })).manifest?.kinds[0]?.kind).toBe('ConfigMap');
    expect((await client.restores.plan({ body: { set, identity: { file: 'a' } } })).totals.create).toBe(2);
    const restore = await client.restores.create({ body: { set } });
    expect((await client.restores.cancel({ params: { id: restore.id } })).phase).toBe('Cancelled');
    expect((await client.holds.put({ params: { set }, body: { reason: 'audit' } })).reason).toBe('audit');
    expect(await client.holds.delete({ params: { set } })).toBeUndefined();
    expect((await client.policies.list()).items[0]?.name).toBe('platform');
    expect((await client.version.get()).user).toBe('admin');
  });

  it('throws what the service answers as the error that it was', async () => {
    const { client } = await setup({ as: 'viewer' });
    const failed = await client.backups.create({ body: {} }).catch((thrown: unknown) => thrown);
    expect(failed).toBeInstanceOf(HoldfastError);
    expect(failed).toMatchObject({ code: 'REQUEST_FORBIDDEN', exit: 1, message: 'no role of viewer allows create on backups' });
    await expect(client.backups.get({ params: { set: '1999' } })).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND', exit: 10 });
    await expect(client.backups.get({ params: { set: '../../etc' } })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('says that nothing answers, or something else', async () => {
    const { client } = await setup({ url: 'http://127.0.0.1:1' });
    await expect(client.version.get()).rejects.toMatchObject({ code: 'SERVICE_UNREACHABLE' });
    for (const answer of [{ status: 200, body: '<html>' }, { status: 502, body: 'bad gateway' }, problem('A_CODE_OF_TOMORROW', 418)]) {
      const other = await setup({ url: (await answering([answer])).url });
      await expect(other.client.version.get()).rejects.toMatchObject({ code: 'SERVICE_ERROR' });
    }
  });

  it('tries again what may be tried again, as late as it is told, with the same key', async () => {
    const ok = { status: 202, headers: { 'content-type': 'application/json' }, body: '{"id":"x"}' };
    const server = await answering([problem('RATE_LIMITED', 429, { 'retry-after': '7' }), problem('STORE_UNREACHABLE', 503), ok]);
    const { client, pauses } = await setup({ url: server.url });
    expect(await client.backups.create({ body: {} })).toEqual({ id: 'x' });
    expect(pauses).toEqual([7_000, 1_000]);
    expect(new Set(server.keys).size).toBe(1);
    expect(server.keys[0]).toMatch(/^[0-9a-f]{32}$/);
  });

  it('gives up in the end, and at once where it would not help', async () => {
    const busy = await answering([problem('RATE_LIMITED', 429)]);
    await expect((await setup({ url: busy.url })).client.backups.create({ body: {} })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(busy.turns()).toBe(5);
    const follower = await answering([problem('NOT_LEADER', 503, { 'retry-after': '1' })]);
    const { client, pauses } = await setup({ url: follower.url });
    await expect(client.backups.create({ body: {} })).rejects.toMatchObject({ code: 'NOT_LEADER' });
    // Longer than a lease lasts.
    expect(pauses.reduce((sum, pause) => sum + pause)).toBeGreaterThan(20_000);
    const wrong = await answering([problem('REQUEST_INVALID', 400)]);
    await expect((await setup({ url: wrong.url })).client.backups.create({ body: {} })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      hint: 'do that',
    });
    expect(wrong.turns()).toBe(1);
  });

  it('watches events, and goes on where it was when the stream breaks', async () => {
    const { client, service } = await setup();
    const stop = new AbortController();
    const events = client.watch({ signal: stop.signal });
    const first = (await events.next()).value;
    service.emit({ type: 'backup.changed', at: '2026-11-23T00:00:00Z', data: { n: 1 } });
    expect((await events.next()).value).toMatchObject({ type: 'backup.changed', data: { n: 1 } });
    service.emit({ type: 'backup.changed', at: '2026-11-23T00:00:00Z', data: { n: 2 } });
    const again = client.watch({ signal: stop.signal, lastId: first?.id ?? '' });
    const seen = [];
    for await (const { data } of again) if (seen.push(data['n']) === 3) break;
    expect(seen).toEqual([undefined, 1, 2]);
    stop.abort();
    await events.return(undefined);
    const refused = (await setup({ as: 'nobody' })).client.watch();
    await expect(refused.next()).rejects.toMatchObject({ code: 'REQUEST_FORBIDDEN' });
  });
});
