import { clockSlackMs } from '../domain/clock-slack.ts';
import type { Fire } from '../domain/policy.ts';

/** A fire that was tried without success: no set stands for it. */
export interface FailedFire extends Fire {
  /** How many times; 1 or more. */
  readonly attempts: number;
  /** When the last attempt ended. RFC 3339, UTC. */
  readonly lastAttemptAt: string;
}

/** A tier that is at work now. `at` is absent for a run that nobody scheduled. */
export type RunningTier = Pick<Fire, 'policy' | 'tier'> & Partial<Pick<Fire, 'at'>>;

/** What has happened so far, as the repository and the records of operations tell it. The order of the lists does not matter. */
export interface History {
  /** When the repository was made, or the cluster where that is younger. RFC 3339, UTC. */
  readonly createdAt: string;
  /** The fires of all sets that exist, whatever their phase. */
  readonly handled: readonly Fire[];
  /** One for each fire of a run that failed. Of several for one fire, that with most attempts counts, and of these the latest. */
  readonly failed: readonly FailedFire[];
  /** Every fire of every run that goes on; nothing else of their policies starts meanwhile. */
  readonly running: readonly RunningTier[];
  /** Fires that were reported as missed: that is not done again. */
  readonly givenUp: readonly Fire[];
  /** The names of policies that have a complete set, of any tier. */
  readonly complete: ReadonlySet<string>;
}

/** A history, ready for questions. Times are milliseconds since 1970. */
export interface HistoryIndex {
  /** Nobody’s fires lie before it. */
  readonly createdAt: number;
  /** The newest fire of a tier that is done, at work or given up; those that a wrong clock put into the future do not count. */
  lastHandled(policy: string, tier: string): number | undefined;
  /** Has the tier ever had a fire, the future included? */
  isKnown(policy: string, tier: string): boolean;
  /** Is exactly this fire done, at work or given up, be it in the future? */
  isHandled(policy: string, tier: string, at: number): boolean;
  failure(policy: string, tier: string, at: number): FailedFire | undefined;
  isRunning(policy: string): boolean;
  hasComplete(policy: string): boolean;
}

function tierKey({ policy, tier }: Pick<Fire, 'policy' | 'tier'>): string {
  return `${policy}/${tier}`;
}

/** Made at every look, of ten thousand fires: nothing is made for a single one of them. */
export function indexHistory(history: History, now: number): HistoryIndex {
  /** By policy and tier; minus infinity where all of its fires lie in the future. */
  const last = new Map<string, Map<string, number>>();
  const done: readonly (readonly RunningTier[])[] = [history.handled, history.givenUp, history.running];
  for (const fires of done) {
    for (const { policy, tier, at: time } of fires) {
      if (time === undefined) continue;
      const tiers = last.get(policy) ?? new Map<string, number>();
      if (tiers.size === 0) last.set(policy, tiers);
      const at = Date.parse(time);
      const newest = tiers.get(tier) ?? Number.NEGATIVE_INFINITY;
      tiers.set(tier, at <= now + clockSlackMs && at > newest ? at : newest);
    }
  }
  const failures = new Map<string, FailedFire>();
  for (const fire of history.failed) {
    const key = `${tierKey(fire)}/${Date.parse(fire.at)}`;
    failures.set(key, later(fire, failures.get(key)));
  }
  const running = new Set(history.running.map(({ policy }) => policy));
  const createdAt = Date.parse(history.createdAt);
  return {
    createdAt,
    lastHandled: (policy, tier) => {
      const newest = last.get(policy)?.get(tier);
      return newest === Number.NEGATIVE_INFINITY ? undefined : newest;
    },
    isKnown: (policy, tier) => last.get(policy)?.has(tier) ?? false,
    // Asked when something is due only.
    isHandled: (policy, tier, at) =>
      done.some(fires =>
        fires.some(fire => fire.policy === policy && fire.tier === tier && fire.at !== undefined && Date.parse(fire.at) === at),
      ),
    failure: (policy, tier, at) => failures.get(`${tierKey({ policy, tier })}/${at}`),
    isRunning: policy => running.has(policy),
    hasComplete: policy => history.complete.has(policy),
  };
}

function later(one: FailedFire, other: FailedFire | undefined): FailedFire {
  if (other === undefined || one.attempts > other.attempts) return one;
  if (one.attempts < other.attempts) return other;
  return Date.parse(one.lastAttemptAt) > Date.parse(other.lastAttemptAt) ? one : other;
}
