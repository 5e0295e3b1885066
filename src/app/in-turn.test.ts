import { expect, it } from 'vitest';
import { inTurn } from './in-turn.ts';

it('takes one after the other, whatever becomes of them, and is idle after the last', async () => {
  const [turns, first] = [inTurn(), Promise.withResolvers<void>()];
  const done: string[] = [];
  const failing = turns.take(async () => {
    await first.promise;
    done.push('first');
    throw new Error('in vain');
  });
  const second = turns.take(async () => {
    done.push('second');
    return 2;
  });
  const idle = turns.idle().then(() => done.push('idle'));
  expect(done).toEqual([]);
  first.resolve();
  await expect(failing).rejects.toThrow('in vain');
  expect(await second).toBe(2);
  await idle;
  expect(done).toEqual(['first', 'second', 'idle']);
});
