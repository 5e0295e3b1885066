import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../domain/errors.ts';
import { Lanes } from './lanes.ts';

function lanesWith(most: number): { lanes: Lanes; tick(ms: number): void } {
  let now = 0;
  return { lanes: new Lanes({ most, clock: () => now }), tick: ms => (now += ms) };
}

describe('lanes', () => {
  it('never run more tasks side by side than they may, and all of them in the end', async () => {
    const { lanes } = lanesWith(3);
    let running = 0;
    let peak = 0;
    let done = 0;
    for (let i = 0; i < 20; i++) {
      await lanes.start(async () => {
        peak = Math.max(peak, ++running);
        await new Promise(resolve => setImmediate(resolve));
        running--;
        done++;
      });
    }
    await lanes.drain();
    expect([peak, done]).toEqual([3, 20]);
  });

  it('halve when the server is overloaded, and come back one by one', async () => {
    const { lanes, tick } = lanesWith(40);
    lanes.throttled();
    expect(lanes.limit).toBe(20);
    for (let i = 0; i < 100; i++) await lanes.start(async () => void tick(5));
    await lanes.drain();
    expect(lanes.limit).toBe(22);
  });

  it('narrow while answers are slow', async () => {
    const { lanes, tick } = lanesWith(10);
    for (let i = 0; i < 50; i++) {
      await lanes.start(async () => void tick(5_000));
      await lanes.drain();
    }
    expect(lanes.limit).toBe(8);
  });

  it('stop at the first error, which starting and draining tell', async () => {
    const { lanes } = lanesWith(1);
    await lanes.start(() => Promise.reject(new HoldfastError('CLUSTER_UNAUTHORIZED', 'no more')));
    await expect(lanes.drain()).rejects.toThrow('no more');
    await expect(lanes.start(async () => {})).rejects.toThrow('no more');
  });
});
