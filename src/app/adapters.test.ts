import { expect, it } from 'vitest';
import { longestTimerMs } from '../domain/duration.ts';
import { systemRuntime } from './adapters.ts';

it('sleeps for longer than a timer can be, and wakes when it is told to', async () => {
  const stop = new AbortController();
  const sleeping = systemRuntime.sleep(longestTimerMs + 1, stop.signal);
  const first = await Promise.race([sleeping.then(() => 'the long one'), systemRuntime.sleep(30).then(() => 'the short one')]);
  expect(first).toBe('the short one');
  stop.abort(new Error('enough'));
  await expect(sleeping).rejects.toThrow('enough');
});
