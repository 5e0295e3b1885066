import { clockSlackMs } from '../domain/clock-slack.ts';
import { asHoldfastError, type HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import type { Fire, Policy } from '../domain/policy.ts';
import { aborted, type Runtime } from '../domain/runtime.ts';
import { bounded, pause } from './bounded.ts';
import type { DueRun } from './coalesce.ts';
import { decide, type MissedFire } from './due.ts';
import type { FailedFire, History } from './history.ts';

/** A clock that was put forward, and a configuration that nobody announced, are noticed within this time. */
const longestSleepMs = 30_000;
const firstErrorDelayMs = 1_000;
/** One reading of the history. */
const historyMs = 5 * 60_000;

export interface SchedulerOptions {
  /** As they are now: asked for at every look. */
  policies(): readonly Policy[];
  /** What has happened so far. May throw: the scheduler then waits, and asks again. */
  history(signal: AbortSignal): Promise<History>;
  /** Settles when the run has ended, or is known to the history. Thrown means failed: it is tried again, with growing delay. */
  start(run: DueRun): Promise<void>;
  /** Once for each fire that was given up, as far as this process and the history know. */
  onMissed(missed: MissedFire): void;
  /** What went wrong on the way; the scheduler goes on. Never throws. */
  onError(error: HoldfastError): void;
  /** Of the cluster that is backed up. */
  readonly clusterId: string;
  /** Milliseconds; `defaultCoalesceMs` unless given. */
  readonly coalesceMs?: number;
  readonly runtime: Pick<Runtime, 'now' | 'sleep'>;
  readonly signal: AbortSignal;
  /** Looked at before anything is started or reported. */
  readonly fence?: Fence;
}

export interface Scheduler {
  /** Looks at once: the configuration changed, or a run ended elsewhere. */
  poke(): void;
  /** Resolves as soon as the signal is aborted; never rejects. What was started goes on. */
  readonly ended: Promise<void>;
}

/**
 * Starts what is due, as `decide` says, until the signal is aborted. What the history cannot tell yet is remembered here: what was started and
 * goes on, what was tried, and what was given up.
 */
export function runScheduler(options: SchedulerOptions): Scheduler {
  const { runtime, signal } = options;
  const memory = createMemory(runtime);
  let alarm = new AbortController();
  let poked = false;
  const poke = (): void => {
    poked = true;
    alarm.abort();
  };

  async function look(): Promise<number> {
    memory.forgetEnded();
    const known = await bounded(runtime, historyMs, signal, within => unlessAborted(options.history(within), within));
    if (signal.aborted) return 0;
    const { clusterId, coalesceMs } = options;
    const history = memory.addTo(known);
    const input = { policies: options.policies(), history, now: runtime.now(), clusterId };
    const decision = decide(coalesceMs === undefined ? input : { ...input, coalesceMs });
    for (const run of decision.runs) begin(run);
    for (const missed of decision.missed) report(missed);
    return decision.wakeAt.getTime() - runtime.now().getTime();
  }

  function begin(run: DueRun): void {
    options.fence?.check();
    const end = memory.begin(run);
    void Promise.try(() => options.start(run))
      .catch(fail)
      .finally(() => {
        end();
        poke();
      });
  }

  function report(missed: MissedFire): void {
    options.fence?.check();
    memory.giveUp(missed.fire);
    options.onMissed(missed);
  }

  function fail(thrown: unknown): void {
    if (!signal.aborted) options.onError(asHoldfastError(thrown));
  }

  async function loop(): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      poked = false;
      let sleepMs: number;
      try {
        sleepMs = await look();
        failures = 0;
      } catch (thrown) {
        fail(thrown);
        sleepMs = firstErrorDelayMs * 2 ** failures;
        failures += 1;
      }
      if (poked) continue;
      alarm = new AbortController();
      await pause(runtime, Math.max(1, Math.min(longestSleepMs, sleepMs)), AbortSignal.any([signal, alarm.signal]));
    }
  }

  // Not before the caller has what is returned: `history` may want to poke.
  const looped = Promise.resolve().then(loop);
  return { poke, ended: Promise.race([looped, aborted(signal)]) };
}

interface Memory {
  /** The history, and what it may not know yet. */
  addTo(history: History): History;
  /** Returns what is to be called when it has ended. It counts as running until `forgetEnded`. */
  begin(run: DueRun): () => void;
  /** To be called before the history is read: what it tells may be older than the end of a run that ends meanwhile. */
  forgetEnded(): void;
  giveUp(fire: Fire): void;
}

/** Holds one fire of each tier at most. */
function createMemory(runtime: Pick<Runtime, 'now'>): Memory {
  const running = new Set<DueRun>();
  const ended = new Set<DueRun>();
  const tried = new Map<string, FailedFire>();
  const givenUp = new Map<string, Fire>();
  const tierOf = (fire: Fire): string => `${fire.policy}/${fire.tier}`;
  return {
    addTo: history => {
      // Given up while the clock was ahead, and not when their time really comes.
      const horizon = runtime.now().getTime() + clockSlackMs;
      for (const [tier, fire] of givenUp) if (Date.parse(fire.at) > horizon) givenUp.delete(tier);
      return {
        ...history,
        running: [...history.running, ...[...running].flatMap(run => run.fires)],
        failed: [...history.failed, ...tried.values()],
        givenUp: [...history.givenUp, ...givenUp.values()],
      };
    },
    begin: run => {
      running.add(run);
      return () => {
        ended.add(run);
        // Whatever came of it: where no set stands for these fires, they were tried in vain.
        const lastAttemptAt = runtime.now().toISOString();
        for (const fire of run.fires) tried.set(tierOf(fire), { ...fire, attempts: run.attempt, lastAttemptAt });
      };
    },
    forgetEnded: () => {
      for (const run of ended) running.delete(run);
      ended.clear();
    },
    giveUp: fire => void givenUp.set(tierOf(fire), fire),
  };
}

/** Rejects with the signal’s reason as soon as it is aborted, whatever becomes of the promise. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    promise.then(resolve, reject);
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
