import { Agent, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { apiOptions, as } from '../../../test/helpers/api-context.ts';
import type { MemoryService } from '../../../test/helpers/api-memory-service.ts';
import { testRuntime } from '../../../test/helpers/runtime.ts';
import { eventsOf, type StreamedEvent } from '../../client/events.ts';
import type { ApiLimits } from '../limits.ts';
import { listenApi } from '../listen.ts';
import type { ServiceEvent } from '../service.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(limits: Partial<ApiLimits> = {}) {
  const options = apiOptions({ limits, runtime: testRuntime });
  const api = await listenApi({ ...options, host: '127.0.0.1', port: 0, onWarning: () => {} });
  const agent = new Agent({ connections: null });
  closing.push(
    () => api.close(0),
    () => agent.destroy(),
  );
  const open = async (name = 'admin', headers: Record<string, string> = {}) => {
    const response = await request(`${api.url}/api/v1/events`, { dispatcher: agent, headers: { ...as(name), ...headers } });
    return { ...response, events: eventsOf(response.body)[Symbol.asyncIterator]() };
  };
  return { api, open, service: options.service as MemoryService };
}

const happened = (n: number, more: Partial<ServiceEvent> = {}): ServiceEvent => ({
  type: 'backup.changed',
  at: '2026-11-23T00:00:00Z',
  data: { n },
  ...more,
});
const next = async (events: AsyncIterator<StreamedEvent>) => (await events.next()).value as StreamedEvent;

describe('an event stream', () => {
  it('says hello, then tells what happens, each event with an id', async () => {
    const { open, service } = await serve();
    const { events, headers, statusCode } = await open();
    expect({ statusCode, type: headers['content-type'], cache: headers['cache-control'] }).toEqual({
      statusCode: 200,
      type: 'text/event-stream; charset=utf-8',
      cache: 'no-store',
    });
    expect(await next(events)).toMatchObject({ type: 'hello', id: expect.stringMatching(/^[0-9a-f]{12}-0$/) });
    service.emit(happened(1));
    expect(await next(events)).toMatchObject({ type: 'backup.changed', data: { n: 1 }, id: expect.stringMatching(/-1$/) });
  });

  it('tells more than its buffer holds to whoever has missed it, in order and with what happens meanwhile', async () => {
    const { open, service } = await serve({ eventsKept: 500, streamBufferBytes: 16_384 });
    const { id: start } = await next((await open()).events);
    const text = 'x'.repeat(1_500);
    for (let n = 1; n <= 300; n++) service.emit(happened(n, { data: { n, text } }));
    const { events } = await open('admin', { 'last-event-id': start! });
    expect(await next(events)).toMatchObject({ type: 'hello' });
    const seen: unknown[] = [];
    for (let n = 1; n <= 310; n++) {
      if (n <= 10) service.emit(happened(300 + n, { data: { n: 300 + n, text } }));
      seen.push((await next(events)).data['n']);
    }
    expect(seen).toEqual(Array.from({ length: 310 }, (_, index) => index + 1));
    service.emit(happened(311));
    expect(await next(events)).toMatchObject({ data: { n: 311 } });
  });

  it('goes on after the last event that was seen, and says when it cannot', async () => {
    const { open, service } = await serve({ eventsKept: 3 });
    const { id: start } = await next((await open()).events);
    for (let n = 1; n <= 3; n++) service.emit(happened(n));
    const { events } = await open('admin', { 'last-event-id': start! });
    expect([await next(events), await next(events), await next(events), await next(events)].map(({ data }) => data['n'])).toEqual([
      undefined,
      1,
      2,
      3,
    ]);
    service.emit(happened(4));
    expect(await next(events)).toMatchObject({ data: { n: 4 } });
    for (const stale of [start!, 'elsewhere-7', `${start!.split('-')[0]}-99`, 'x'.repeat(1_000)]) {
      expect(await next((await open('admin', { 'last-event-id': stale })).events)).toMatchObject({
        type: 'reset',
        id: expect.stringMatching(/-4$/),
      });
    }
  });

  it('shows a tenant their own operations and nothing else', async () => {
    const { open, service } = await serve();
    const { events } = await open('tenant');
    await next(events);
    const start = (namespaces: string[] | undefined, subject: string) =>
      service.operations.start(
        { kind: 'verify', set: subject },
        { actor: { name: subject, via: 'api' }, ...(namespaces !== undefined && { namespaces }) },
        { signal: new AbortController().signal },
      );
    service.emit(happened(1));
    await start(undefined, 'all');
    await start(['team-b'], 'latest');
    service.emit(happened(2, { namespaces: ['team-b'] }));
    await start(['team-a'], '20261121T020000Z-daily-aaaa');
    expect(await next(events)).toMatchObject({
      type: 'operation.changed',
      data: { operation: { subject: '20261121T020000Z-daily-aaaa' } },
    });
  });

  it('sends an operation that is too large for it in short', async () => {
    const { open, service } = await serve();
    const { events } = await open();
    await next(events);
    const selection = { includeNamespaces: Array.from({ length: 1_000 }, (_, i) => `namespace-number-${i}`) };
    await service.operations.start(
      { kind: 'backup', selection: selection as never },
      { actor: { name: 'a', via: 'api' } },
      { signal: new AbortController().signal },
    );
    expect((await next(events)).data).toMatchObject({ shortened: true, operation: { kind: 'backup', phase: 'Running', parameters: {} } });
  });

  it('ends after its time, so that the token is looked at again', async () => {
    const { open, api } = await serve({ streamMs: 20 });
    const { body } = await open();
    expect(await body.text()).toContain('event: hello');
    await expect.poll(() => api.openStreams()).toBe(0);
  });

  it('lives on comments while nothing happens', async () => {
    const { open } = await serve({ keepAliveMs: 5 });
    const { body } = await open();
    let text = '';
    for await (const chunk of body) {
      text += chunk;
      if (text.endsWith(':\n\n:\n\n')) break;
    }
    expect(text).toContain('event: hello');
  });

  it('is cut off when its reader is too slow, and the others go on', async () => {
    const { open, service, api } = await serve({ streamBufferBytes: 10_000 });
    const slow = await open();
    const quick = await open();
    slow.body.pause();
    await next(quick.events);
    const large = happened(0, { data: { text: 'x'.repeat(8_000) } });
    const reading = (async () => {
      for (;;) if ((await next(quick.events)).data['n'] === 'last') return;
    })();
    for (let round = 0; round < 20_000 && api.openStreams() === 2; round++) {
      service.emit(large);
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(api.openStreams()).toBe(1);
    service.emit(happened(0, { data: { n: 'last' } }));
    await reading;
  });
});

describe('too many event streams', () => {
  it('are refused with 503, and their places are given to others when they end', async () => {
    const { open, api } = await serve({ streams: 3, streamsPerUser: 2 });
    const first = await open('viewer');
    await open('viewer');
    expect(await open('viewer')).toMatchObject({
      statusCode: 503,
      headers: { 'content-type': 'application/problem+json', 'retry-after': '5' },
    });
    expect((await open('operator')).statusCode).toBe(200);
    const refused = await open('restorer');
    expect(await refused.body.json()).toMatchObject({ code: 'STREAMS_EXHAUSTED', status: 503 });
    first.body.destroy();
    await expect.poll(() => api.openStreams()).toBe(2);
    expect((await open('restorer')).statusCode).toBe(200);
  });

  it('by the thousand take little memory, and all hear of an event', { timeout: 60_000 }, async () => {
    const { open, service, api } = await serve({
      streams: 1_000,
      streamsPerUser: 1_000,
      requestsPerMinute: 10_000,
      requestsPerSecond: 10_000,
    });
    const before = process.memoryUsage().rss;
    const streams = [];
    for (let i = 0; i < 1_000; i++) streams.push(await open());
    expect((await open()).statusCode).toBe(503);
    expect(api.openStreams()).toBe(1_000);
    service.emit(happened(7));
    for (const { events } of streams) {
      await next(events);
      expect((await next(events)).data['n']).toBe(7);
    }
    // Both ends are in this process.
    expect((process.memoryUsage().rss - before) / 1_000).toBeLessThan(200 * 1024);
  });
});
