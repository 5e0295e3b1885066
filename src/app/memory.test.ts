import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { collector, giveMemoryBack } from './memory.ts';

test('what nobody holds is gone, and what somebody holds is there', async () => {
  const held = { name: 'held' };
  const kept = new WeakRef(held);
  const dropped = Array.from({ length: 100 }, (_, n) => new WeakRef({ name: `dropped ${n}` }));
  await giveMemoryBack();
  expect(dropped.filter(one => one.deref() !== undefined)).toEqual([]);
  expect(kept.deref()).toBe(held);
});

test('wishes of one moment are one collection, a second later, and the next wish is another', async () => {
  const time = manualTime();
  const wish = collector(time, new AbortController().signal);
  for (let round = 0; round < 2; round++) {
    const dropped = Array.from({ length: 100 }, (_, n) => new WeakRef({ name: `dropped ${n}` }));
    wish();
    wish();
    expect(time.sleeping()).toEqual([1_000]);
    await time.advance(1_000);
    // Ends with the time that a test has.
    while (dropped.some(one => one.deref() !== undefined)) await turn();
  }
});
