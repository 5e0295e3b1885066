import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { commandSignal } from './command-signal.ts';

const day = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('waits out a limit that is longer than a timer can be', () => {
  const { signal, limit } = commandSignal(new AbortController().signal);
  limit(60 * day, '--timeout');
  vi.advanceTimersByTime(59 * day);
  expect(signal.aborted).toBe(false);
  vi.advanceTimersByTime(2 * day);
  expect(signal.reason).toMatchObject({ code: 'TIMEOUT', message: 'not done after 60d, the limit set by --timeout' });
});

it('is over at once where the limit has gone by already, and says which it was', () => {
  const { signal, limit } = commandSignal(new AbortController().signal);
  vi.advanceTimersByTime(100);
  limit(1, 'HOLDFAST_TIMEOUT');
  expect(signal.reason).toMatchObject({ code: 'TIMEOUT', message: 'not done after 1ms, the limit set by HOLDFAST_TIMEOUT' });
});

it('forgets a limit that was taken back', () => {
  const { signal, limit } = commandSignal(new AbortController().signal);
  limit(day, 'holdfast.yaml:1');
  limit(undefined, 'holdfast.yaml:1');
  vi.advanceTimersByTime(2 * day);
  expect(signal.aborted).toBe(false);
});
