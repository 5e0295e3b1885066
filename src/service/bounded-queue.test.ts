import { expect, it } from 'vitest';
import { createBoundedQueue } from './bounded-queue.ts';

const never = new AbortController().signal;

it('so many work at once, so many wait, all others are turned away, and whoever has gone meanwhile costs nothing', async () => {
  const queue = createBoundedQueue(2, 3);
  const gate = Promise.withResolvers<void>();
  const gone = new AbortController();
  let [atWork, most, begun] = [0, 0, 0];
  const work = async () => {
    [atWork, begun] = [atWork + 1, begun + 1];
    most = Math.max(most, atWork);
    await gate.promise;
    atWork -= 1;
  };
  const all = [never, never, never, gone.signal, never].map(signal => queue.run(work, signal));
  const ends = Promise.allSettled(all);
  await Promise.resolve();
  expect(() => queue.run(work, never)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
  gone.abort(new Error('gone'));
  gate.resolve();
  expect((await ends).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  expect([most, begun]).toEqual([2, 4]);
});
