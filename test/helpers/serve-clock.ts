import { randomBytes } from 'node:crypto';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import type { Runtime } from '../../src/domain/runtime.ts';

/** What a process does at this moment that is neither sleep nor rest. */
export interface Doings {
  /** Calls to cluster and store that have not been answered. */
  calls(): number;
  /** Operations that wait or run. */
  operations(): number;
}

/**
 * A clock that leaps from one moment that matters to the next whenever all rest. Whoever sleeps wakes at the first leap that is late enough,
 * as on a machine that was suspended: never too early, and at times much later.
 */
export interface LeapingClock {
  now(): Date;
  /** For one process; `die` leaves its sleepers asleep for good. */
  process(doings: Doings): Runtime & { die(): void };
  /** Lets the processes live until then. `next` says where to leap from a moment at which everybody rests. */
  runUntil(until: Date, next: (now: Date) => Date): Promise<void>;
  /** Puts the clock forward or back, without anybody having slept meanwhile. */
  put(to: Date): void;
}

interface Sleeper {
  readonly owner: object;
  /** Of the time that has passed, whatever the clock was put to. Milliseconds. */
  readonly at: number;
  readonly wake: () => void;
}

/** A job whose thread computes makes no calls: so long, milliseconds, nothing must have happened before time goes on. */
const computingMs = 10;

export function leapingClock(start: Date): LeapingClock {
  let passed = 0;
  let shift = start.getTime();
  const sleepers = new Set<Sleeper>();
  const alive = new Map<object, Doings>();

  const sum = (what: keyof Doings) => [...alive.values()].reduce((count, doings) => count + doings[what](), 0);
  const working = () => sum('calls') > 0 || process.getActiveResourcesInfo().some(name => name.startsWith('FSReq'));

  async function rest(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet++) {
      await turn();
      if (!working()) continue;
      // Not by turns: they would take the processor from those who are waited for.
      await pause(1);
      quiet = -1;
    }
  }

  /** True when nobody works; false when somebody does, and waits for the clock as it seems. */
  async function atRest(): Promise<boolean> {
    await rest();
    if (sum('operations') === 0) return true;
    await pause(computingMs);
    await rest();
    return sum('operations') === 0;
  }

  function leapTo(at: number): void {
    passed = Math.max(passed, at);
    for (const sleeper of [...sleepers].sort((a, b) => a.at - b.at)) {
      if (sleeper.at <= passed) sleeper.wake();
    }
  }

  const now = () => new Date(shift + passed);
  return {
    now,
    put: to => {
      shift = to.getTime() - passed;
    },
    process: doings => {
      const owner = {};
      alive.set(owner, doings);
      return {
        now,
        random: bytes => randomBytes(bytes),
        sleep: (ms, signal) =>
          new Promise((resolve, reject) => {
            signal?.throwIfAborted();
            const end = () => {
              sleepers.delete(sleeper);
              signal?.removeEventListener('abort', stop);
            };
            const stop = () => {
              end();
              reject(signal?.reason);
            };
            const wake = () => {
              end();
              resolve();
            };
            const sleeper: Sleeper = { owner, at: passed + ms, wake };
            sleepers.add(sleeper);
            signal?.addEventListener('abort', stop, { once: true });
          }),
        die: () => {
          alive.delete(owner);
          for (const sleeper of sleepers) if (sleeper.owner === owner) sleepers.delete(sleeper);
        },
      };
    },
    runUntil: async (until, next) => {
      while (now() < until) {
        const resting = await atRest();
        const soonest = Math.min(...[...sleepers].map(({ at }) => at));
        const wanted = Math.min(until.getTime(), next(now()).getTime()) - shift;
        leapTo(resting ? wanted : Math.min(wanted, Math.max(soonest, passed + 1)));
      }
      await rest();
      while (sum('operations') > 0) {
        await pause(computingMs);
        await rest();
      }
    },
  };
}
