import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { Runtime } from '../../src/domain/runtime.ts';

/** A clock that stands still until it is put forward. */
export interface ManualTime extends Runtime {
  /** Wakes sleepers in the order of their times, and lets each do what it can before the next. */
  advance(ms: number): Promise<void>;
  /** How long those who sleep now asked for, in the order of their asking. */
  sleeping(): readonly number[];
}

interface Sleeper {
  readonly at: number;
  readonly ms: number;
  readonly wake: () => void;
}

export function manualTime(start = '2026-11-23T02:00:00.000Z'): ManualTime {
  let now = Date.parse(start);
  let sleepers: Sleeper[] = [];
  return {
    now: () => new Date(now),
    random: bytes => randomBytes(bytes),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const forget = () => {
          sleepers = sleepers.filter(one => one !== sleeper);
          signal?.removeEventListener('abort', stop);
        };
        const stop = () => {
          forget();
          reject(signal?.reason);
        };
        const sleeper: Sleeper = {
          ...{ at: now + ms, ms },
          wake: () => {
            forget();
            resolve();
          },
        };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', stop, { once: true });
      }),
    advance: async ms => {
      const end = now + ms;
      await turn();
      for (;;) {
        const next = sleepers.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = next.at;
        next.wake();
        await turn();
      }
      now = end;
      await turn();
    },
    sleeping: () => sleepers.map(({ ms }) => ms),
  };
}
