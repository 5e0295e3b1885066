import { describe, expect, it } from 'vitest';
import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import { pauseMs, type RetryPolicy, retrying } from './attempt.ts';

const policy: RetryPolicy = { attempts: 5, totalMs: 10_000, firstMs: 100, maxMs: 1_000 };

/** A clock that only pauses move. */
function manualRuntime() {
  let now = 0;
  const pauses: number[] = [];
  return {
    pauses,
    now: () => new Date(now),
    random: (bytes: number) => new Uint8Array(bytes).fill(128),
    sleep: async (ms: number, signal?: AbortSignal) => {
      signal?.throwIfAborted();
      pauses.push(ms);
      now += ms;
    },
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const failing = (code: ErrorCode, times: number) => {
  let calls = 0;
  return { run: async () => (calls++ < times ? Promise.reject(new HoldfastError(code, `failure ${calls}`)) : calls), calls: () => calls };
};

describe('trying again', () => {
  it.each(['STORE_UNREACHABLE', 'STORE_ERROR'] as const)('follows %s until it works', async code => {
    const runtime = manualRuntime();
    expect(await retrying(policy, runtime)(failing(code, 3).run)).toBe(4);
    expect(runtime.pauses).toHaveLength(3);
  });

  it.each(['STORE_FORBIDDEN', 'STORE_EXISTS', 'STORE_FULL', 'STORE_NOT_FOUND', 'STORE_BUCKET_MISSING', 'CLUSTER_UNREACHABLE'] as const)(
    'does not follow %s',
    async code => {
      const runtime = manualRuntime();
      await expect(retrying(policy, runtime)(failing(code, 1).run)).rejects.toThrow('failure 1');
      expect(runtime.pauses).toEqual([]);
    },
  );

  it('ends with the last error when the tries are used up', async () => {
    const attempts = failing('STORE_ERROR', 99);
    await expect(retrying(policy, manualRuntime())(attempts.run)).rejects.toThrow('failure 5');
    expect(attempts.calls()).toBe(5);
  });

  it('begins no other try after the time is up', async () => {
    const runtime = manualRuntime();
    const slow = async () => {
      runtime.pass(6_000);
      throw new HoldfastError('STORE_ERROR', 'slow');
    };
    await expect(retrying(policy, runtime)(slow)).rejects.toThrow('slow');
    expect(runtime.pauses).toHaveLength(1);
  });

  it('ends a pause with the signal’s reason', async () => {
    const reason = new Error('enough');
    await expect(retrying(policy, manualRuntime())(failing('STORE_ERROR', 1).run, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe('pauses', () => {
  it('double up to the most allowed, each between half and all of it at random', () => {
    for (const [byte, share] of [
      [0, 0.5],
      [128, 0.75],
      [255, 1],
    ] as const) {
      // biome-ignore format: pairs
      const runtime = { random: (bytes: number) => new Uint8Array(bytes).fill(byte) };
      const most = [100, 200, 400, 800, 1_000, 1_000];
      for (const [index, ms] of most.entries())
        expect(Math.abs(pauseMs(policy, index + 1, runtime) - ms * share)).toBeLessThan(ms * 0.01 + 1);
    }
  });
});
