import { expect, test } from 'vitest';
import { giveMemoryBack } from './memory.ts';

test('what nobody holds is gone, and what somebody holds is there', async () => {
  const held = { name: 'held' };
  const kept = new WeakRef(held);
  const dropped = Array.from({ length: 100 }, (_, n) => new WeakRef({ name: `dropped ${n}` }));
  await giveMemoryBack();
  expect(dropped.filter(one => one.deref() !== undefined)).toEqual([]);
  expect(kept.deref()).toBe(held);
});
