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

  it('lets others pass one that waits for its node, and names nodes that are full', async () => {
    const slots = createSlots({ parallel: 9, parallelPerNode: 1 });
    const first = ask(slots, { node: 'n1', nodes: 3 });
    const second = ask(slots, { node: 'n1', nodes: 3 });
    const third = ask(slots, { nodes: 3 });
    await settled();
    expect([first, second, third].map(one => one.asked.slot !== undefined)).toEqual([true, false, true]);
    third.asked.slot?.placed('n2');
    expect(slots.full()).toEqual(['n1', 'n2']);
    first.asked.slot?.release();
    await settled();
    expect(second.asked.slot).toBeDefined();
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
