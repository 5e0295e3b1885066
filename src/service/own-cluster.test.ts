import { describe, expect, it } from 'vitest';
import { manualTime } from '../../test/helpers/manual-time.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { HoldfastError } from '../domain/errors.ts';
import { openOwnCluster } from './own-cluster.ts';

const server = 'https://10.96.0.1';
const away = async () => {
  throw new HoldfastError('CLUSTER_UNREACHABLE', 'no answer');
};
const named = (uid: string) => async () => JSON.stringify({ metadata: { uid, creationTimestamp: '2026-11-01T00:00:00Z' } });

/** An API server that answers as it is told to. */
function asked() {
  const runtime = manualTime();
  const stop = new AbortController();
  const api = { answer: away as () => Promise<string> };
  const cluster = { server, get: () => api.answer() } as unknown as ClusterApi;
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  return { own: openOwnCluster({ cluster, runtime, log }), runtime, stop, api };
}

describe('which cluster a service is of', () => {
  it('is asked again until the API server has answered, and then no more', async () => {
    const { own, runtime, stop, api } = asked();
    const ended = own.lookFor(stop.signal);
    await runtime.advance(10 * 60_000);
    expect(own.known()).toBeUndefined();
    api.answer = named('a1');
    await runtime.advance(60_000);
    await ended;
    expect(own.known()).toEqual({ identity: { uid: 'a1', server }, since: new Date('2026-11-01T00:00:00Z') });
    expect(runtime.sleeping()).toEqual([]);
  });

  it('is asked anew for who must know: another one may have its address', async () => {
    const { own, stop, api } = asked();
    api.answer = named('a1');
    await own.lookFor(stop.signal);
    api.answer = named('b2');
    expect((await own.ask(stop.signal)).identity.uid).toBe('b2');
    expect(own.known()?.identity.uid).toBe('b2');
    api.answer = away;
    await expect(own.ask(stop.signal)).rejects.toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
    expect(own.known()?.identity.uid).toBe('b2');
  });

  it('is not what an answer said that came late', async () => {
    const { own, stop, api } = asked();
    const late = Promise.withResolvers<string>();
    api.answer = () => late.promise;
    const ended = own.lookFor(stop.signal);
    api.answer = named('b2');
    await own.ask(stop.signal);
    late.resolve(await named('a1')());
    await ended;
    expect(own.known()?.identity.uid).toBe('b2');
  });
});
