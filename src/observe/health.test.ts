import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { HoldfastError } from '../domain/errors.ts';
import { createHealth, defaultCheckMs, defaultEveryMs } from './health.ts';

describe('readiness', () => {
  it('says of each check whether it works, and why not', async () => {
    const readiness = [
      { name: 'store', run: async () => {} },
      { name: 'cluster', run: () => Promise.reject(new HoldfastError('CLUSTER_UNREACHABLE', 'no answer')) },
    ];
    const health = createHealth({ readiness, runtime: manualTime() });
    expect(await health.ready()).toEqual([
      { name: 'store', ok: true },
      { name: 'cluster', ok: false, reason: 'no answer' },
    ]);
  });

  it('asks at most every so often, however often it is asked, and never twice at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 40 }), async waits => {
        const time = manualTime();
        const asked: number[] = [];
        const run = async () => {
          asked.push(time.now().getTime());
        };
        const health = createHealth({ readiness: [{ name: 'store', run }], runtime: time });
        for (const wait of waits) {
          await time.advance(wait);
          health.latest();
          await Promise.all([health.ready(), health.ready()]);
        }
        for (const [index, at] of asked.entries()) if (index > 0) expect(at - asked[index - 1]!).toBeGreaterThanOrEqual(defaultEveryMs);
        if (waits.length > 0) expect(asked.length).toBeGreaterThan(0);
      }),
      { numRuns: 30 },
    );
  });

  it('gives a check up that hangs, even one that heeds no signal', async () => {
    const time = manualTime();
    const health = createHealth({ readiness: [{ name: 'store', run: () => new Promise(() => {}) }], runtime: time });
    const asked = health.ready();
    await time.advance(defaultCheckMs);
    expect(await asked).toMatchObject([{ name: 'store', ok: false, reason: expect.stringContaining('no answer within') }]);
  });

  it('can be had at once: what was found last, and not ok before anything was found', async () => {
    const time = manualTime();
    let works = true;
    const run = async () => {
      if (!works) throw new HoldfastError('STORE_UNREACHABLE', 'away');
    };
    const health = createHealth({ readiness: [{ name: 'store', run }], runtime: time });
    expect(health.latest()).toMatchObject([{ ok: false }]);
    await time.advance(0);
    expect(health.latest()).toEqual([{ name: 'store', ok: true }]);
    works = false;
    await time.advance(defaultEveryMs);
    expect(health.latest()).toMatchObject([{ ok: true }]);
    await time.advance(0);
    expect(health.latest()).toMatchObject([{ ok: false, reason: 'away' }]);
  });
});

describe('liveness', () => {
  it('waits for nothing: checks of what is outside are not even run', () => {
    let ran = false;
    const run = () => {
      ran = true;
      return new Promise(() => {});
    };
    const liveness = [
      { name: 'scheduler', isAlive: () => true },
      { name: 'loop', isAlive: () => false },
    ];
    const health = createHealth({ liveness, readiness: [{ name: 'store', run }], runtime: manualTime() });
    expect(health.live()).toEqual([
      { name: 'scheduler', ok: true },
      { name: 'loop', ok: false },
    ]);
    expect(ran).toBe(false);
  });
});
