import { describe, expect, it } from 'vitest';
import { createSlots, type Slot } from './slots.ts';

const { signal } = new AbortController();

/** Asks, and tells whether the answer has come. */
function ask(slots: ReturnType<typeof createSlots>, where: { node?: string; nodes: number }, stop: AbortSignal = signal) {
  const asked: { slot?: Slot; failed?: unknown } = {};
  const done = slots.take(where, stop).then(
    slot => void Object.assign(asked, { slot }),
    failed => void Object.assign(asked, { failed }),
  );
  return { asked, done };
}

const settled = () => new Promise(resolve => setImmediate(resolve));

describe('slots of movers', () => {
  it('gives as many as may run in all, and the next one when one is given back', async () => {
    const slots = createSlots({ parallel: 2, parallelPerNode: 9 });
    const [a, b, c] = [ask(slots, { nodes: 5 }), ask(slots, { nodes: 5 }), ask(slots, { nodes: 5 })];
    await settled();
    expect([a, b, c].map(one => one.asked.slot !== undefined)).toEqual([true, true, false]);
    a.asked.slot?.release();
    a.asked.slot?.release();
    await settled();
    expect(c.asked.slot).toBeDefined();
  });

  it('gives no more than the nodes take together', async () => {
    const slots = createSlots({ parallel: 9, parallelPerNode: 1 });
    const [a, b, c] = [ask(slots, { nodes: 2 }), ask(slots, { nodes: 2 }), ask(slots, { nodes: 2 })];
    await settled();
    expect([a, b, c].map(one => one.asked.slot !== undefined)).toEqual([true, true, false]);
  });

  it('lets others pass one that waits for its node', async () => {
    const slots = createSlots({ parallel: 9, parallelPerNode: 1 });
    const first = ask(slots, { node: 'n1', nodes: 3 });
    const second = ask(slots, { node: 'n1', nodes: 3 });
    const third = ask(slots, { nodes: 3 });
    await settled();
    expect([first, second, third].map(one => one.asked.slot !== undefined)).toEqual([true, false, true]);
    first.asked.slot?.release();
    await settled();
    expect(second.asked.slot).toBeDefined();
  });

  it('counts a mover where it was placed', async () => {
    const slots = createSlots({ parallel: 9, parallelPerNode: 1 });
    const [first] = [ask(slots, { nodes: 3 })];
    await settled();
    first?.asked.slot?.placed('n1');
    const second = ask(slots, { node: 'n1', nodes: 3 });
    await settled();
    expect(second.asked.slot).toBeUndefined();
    first?.asked.slot?.release();
    await settled();
    expect(second.asked.slot).toBeDefined();
  });

  it('numbers them so that all that run find a node, and no node gets more than it should', async () => {
    const slots = createSlots({ parallel: 9, parallelPerNode: 2 });
    const all = [1, 2, 3, 4, 5, 6].map(() => ask(slots, { nodes: 3 }));
    await settled();
    const numbers = all.map(one => one.asked.slot?.number);
    expect(numbers.toSorted()).toEqual([0, 0, 0, 1, 1, 1]);
    all[2]?.asked.slot?.release();
    const next = ask(slots, { nodes: 3 });
    await settled();
    expect(next.asked.slot?.number).toBe(numbers[2]);
  });

  it('gives one that is bound to a node a number that the node has not', async () => {
    const slots = createSlots({ parallel: 9, parallelPerNode: 2 });
    const [here, there] = [ask(slots, { node: 'n1', nodes: 3 }), ask(slots, { node: 'n2', nodes: 3 })];
    await settled();
    expect([here.asked.slot?.number, there.asked.slot?.number]).toEqual([0, 1]);
    const [second, other] = [ask(slots, { node: 'n2', nodes: 3 }), ask(slots, { node: 'n1', nodes: 3 })];
    await settled();
    expect([second.asked.slot?.number, other.asked.slot?.number]).toEqual([0, 1]);
  });

  it('forgets who is aborted while waiting', async () => {
    const slots = createSlots({ parallel: 1, parallelPerNode: 1 });
    const first = ask(slots, { nodes: 1 });
    const stop = new AbortController();
    const second = ask(slots, { nodes: 1 }, stop.signal);
    await settled();
    stop.abort(new Error('enough'));
    await second.done;
    expect(second.asked.failed).toMatchObject({ message: 'enough' });
    first.asked.slot?.release();
    const third = ask(slots, { nodes: 1 });
    await settled();
    expect(third.asked.slot).toBeDefined();
  });
});
