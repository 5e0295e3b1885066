import { afterEach, describe, expect, it } from 'vitest';
import { apiOptions, tokenOf } from '../../test/helpers/api-context.ts';
import { createMemoryService, type MemoryService } from '../../test/helpers/api-memory-service.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { listenApi } from '../api/listen.ts';
import { createClient } from '../client/client.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { EndedPhase } from '../domain/operation.ts';
import type { ProgressEvent } from '../domain/runtime.ts';
import { follow } from './remote-work.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Every pause is over at once, and puts the clock forward. */
async function setup(onPause: (paused: number, service: MemoryService) => void = () => {}) {
  const service = createMemoryService();
  const api = await listenApi({ ...apiOptions({ service }), host: '127.0.0.1', port: 0, onWarning: () => {} });
  closing.push(() => api.close(0));
  let now = Date.UTC(2026, 10, 23);
  let pauses = 0;
  const runtime = {
    ...testRuntime,
    now: () => new Date(now),
    sleep: async (ms: number, signal?: AbortSignal) => {
      signal?.throwIfAborted();
      now += ms;
      onPause(++pauses, service);
      signal?.throwIfAborted();
    },
  };
  const client = createClient({ url: api.url, token: () => tokenOf('admin'), runtime });
  const { id } = await client.backups.create({ body: { tier: 'daily' } });
  return { service, client, runtime, id };
}

const run = (signal: AbortSignal = AbortSignal.timeout(10_000)) => {
  const seen: ProgressEvent[] = [];
  return { signal, seen, progress: (event: ProgressEvent) => void seen.push(event) };
};

describe('following an operation of a service', () => {
  it('shows its progress and ends with its result', async () => {
    let operation = '';
    const { client, runtime, id } = await setup((paused, service) => {
      if (paused === 1) service.operations.report(operation, 7);
      else service.operations.end(operation, 'Completed');
    });
    operation = id;
    const watching = run();
    expect(await follow(client, { id }, watching, runtime)).toMatchObject({ phase: 'Completed', summary: { objects: 2 } });
    expect(watching.seen).toEqual([{ phase: 'read', objects: 7 }]);
  });

  it.each(['Cancelled', 'Interrupted'] satisfies EndedPhase[])('that was not finished is no result: %s', async phase => {
    const { client, runtime, service, id } = await setup();
    service.operations.end(id, phase);
    await expect(follow(client, { id }, run(), runtime)).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });

  it('asks it to stop when nobody waits for it any more', async () => {
    const stop = new AbortController();
    const why = new HoldfastError('TIMEOUT', 'not done after 1s');
    const { client, runtime, id } = await setup(() => stop.abort(why));
    await expect(follow(client, { id }, run(stop.signal), runtime)).rejects.toBe(why);
    expect((await client.operations.get({ params: { id } })).phase).toBe('Cancelled');
  });

  it('waits while the service is away, for five minutes and no longer', async () => {
    let operation = '';
    const back = await setup((paused, service) => {
      if (paused === 1) service.operations.get = unavailable(service);
      if (paused === 30) service.operations.end(operation, 'Completed');
    });
    operation = back.id;
    let asked = 0;
    const unavailable = ({ operations }: MemoryService): MemoryService['operations']['get'] => {
      const { get } = operations;
      return (id, signal) => {
        if (asked++ < 20) throw new HoldfastError('STORE_UNREACHABLE', 'away');
        return get(id, signal);
      };
    };
    expect(await follow(back.client, { id: operation }, run(), back.runtime)).toMatchObject({ phase: 'Completed' });
    expect(asked).toBeGreaterThan(20);
    const away = await setup();
    away.service.operations.get = () => Promise.reject(new HoldfastError('STORE_UNREACHABLE', 'away'));
    const from = away.runtime.now().getTime();
    await expect(follow(away.client, away, run(), away.runtime)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(away.runtime.now().getTime() - from).toBeGreaterThan(5 * 60_000);
  });
});
