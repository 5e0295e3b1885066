import { describe, expect, it } from 'vitest';
import { manualTime } from '../../test/helpers/manual-time.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { HoldfastError } from '../domain/errors.ts';
import { watchCluster } from './cluster-watch.ts';

/** An API server that answers as it is told to. */
function watched() {
  const runtime = manualTime();
  const stop = new AbortController();
  const said: string[] = [];
  const note = (_fields: object, message: string) => void said.push(message);
  let answer: () => Promise<string> = async () => 'v1.37.2';
  const cluster = { server: 'https://10.0.0.1', version: () => answer() } as unknown as ClusterApi;
  const watch = watchCluster({ cluster, runtime, log: { info: note, warn: note, error: note } }, stop.signal);
  return {
    ...{ watch, said, stop },
    /** From the next look on; goes on to it. */
    next: async (from: () => Promise<string>, ms = 10_000) => {
      answer = from;
      await runtime.advance(ms);
    },
  };
}
const failing = (code: 'CLUSTER_UNREACHABLE' | 'CLUSTER_FORBIDDEN' | 'CLUSTER_UNAUTHORIZED') => async () => {
  throw new HoldfastError(code, 'no');
};

describe('the watch of the cluster', () => {
  it('is not ready before the API server has answered, and is afterwards', async () => {
    const { watch, next } = watched();
    expect(watch.readiness()).toEqual([{ name: 'cluster', ok: false }]);
    await next(async () => 'v1.37.2', 0);
    expect([watch.readiness(), watch.reachable()]).toEqual([[{ name: 'cluster', ok: true }], true]);
  });

  it('tells once that it is away, and once that it is back', async () => {
    const { watch, next, said } = watched();
    for (let round = 0; round < 3; round++) await next(failing('CLUSTER_UNREACHABLE'));
    expect(watch.reachable()).toBe(false);
    const since = '2026-11-23T02:00:10.000Z';
    expect(watch.readiness()).toEqual([{ name: 'cluster', ok: false, code: 'CLUSTER_UNREACHABLE', since }]);
    for (let round = 0; round < 3; round++) await next(async () => 'v1.37.2');
    expect(watch.readiness()).toEqual([{ name: 'cluster', ok: true }]);
    expect([watch.reachable(), said]).toEqual([true, ['the API server does not answer', 'the API server answers again']]);
  });

  it('takes silence and a token that counts no longer for its being away, and not that its version is a secret', async () => {
    const { watch, next } = watched();
    await next(failing('CLUSTER_UNAUTHORIZED'));
    expect(watch.reachable()).toBe(false);
    await next(failing('CLUSTER_FORBIDDEN'));
    expect(watch.reachable()).toBe(true);
    await next(() => new Promise(() => {}), 10_000);
    await next(() => new Promise(() => {}), 5_000);
    expect(watch.reachable()).toBe(false);
  });

  it('ends with the service', async () => {
    const { watch, stop, next } = watched();
    await next(async () => 'v1.37.2', 0);
    stop.abort();
    await watch.ended;
    await next(failing('CLUSTER_UNREACHABLE'), 60_000);
    expect(watch.reachable()).toBe(true);
  });
});
