import { clockSlackMs } from '../domain/clock-slack.ts';
import type { Policy, ScheduledTier } from '../domain/policy.ts';
import { nextFire, parseSchedule, previousFire, type Schedule } from './cron.ts';
import type { FailedFire, HistoryIndex } from './history.ts';
import { jitterOf } from './jitter.ts';

/** How long after its first failure a fire is tried again, after its second, …; the last one for all that follow. */
export const retryDelaysMs: readonly number[] = [5, 10, 20, 40, 60].map(minutes => minutes * 60_000);

const frequentDeadlineMs = 6 * 3_600_000;
/** Runs that are at least so far apart may be late by half of that. */
const seldomMs = 48 * 3_600_000;

/** A fire that has come and that nothing stands for yet. Times are milliseconds since 1970. */
export interface PendingFire {
  readonly at: number;
  /** When it may start: its time with the jitter, or the time of its next attempt. */
  readonly readyAt: number;
  /** After it, it is given up. */
  readonly deadline: number;
  /** How many times it was tried. */
  readonly attempts: number;
}

/** How a tier stands at one moment. */
export interface TierState {
  readonly tier: ScheduledTier;
  /** Only the newest: older ones are handled with it. */
  readonly pending?: PendingFire;
  /** The first fire after now; the time when it is due, jitter included; and how long after it the tier fires again, milliseconds. */
  readonly next?: { readonly at: number; readonly due: number; readonly interval: () => number };
}

export interface Moment {
  readonly history: HistoryIndex;
  readonly now: number;
  readonly clusterId: string;
}

/** `isFirst`: is it the tier that the policy’s initial backup is taken for? CONFIG_INVALID where schedule or zone make no sense. */
export function tierState(policy: Policy, tier: ScheduledTier, isFirst: boolean, moment: Moment): TierState {
  const { history, now, clusterId } = moment;
  const schedule = parseSchedule(tier.schedule);
  const initial = isFirst && policy.initialBackup && !history.hasComplete(policy.name);
  const jitter = initial ? 0 : jitterOf(policy.name, tier.name, clusterId, tier.jitterMs);
  const at = newestUnhandled(policy.name, tier, schedule, moment) ?? (initial ? firstOfAll(policy.name, tier, moment) : undefined);
  const next = nextFire(schedule, tier.timeZone, new Date(now));
  return {
    tier,
    ...(at !== undefined && {
      pending: {
        at,
        readyAt: Math.max(at + jitter, retryAt(history.failure(policy.name, tier.name, at), at + jitter, now)),
        deadline: initial
          ? Number.POSITIVE_INFINITY
          : at + jitter + (tier.startingDeadlineMs ?? defaultDeadlineMs(schedule, tier.timeZone, at)),
        attempts: history.failure(policy.name, tier.name, at)?.attempts ?? 0,
      },
    }),
    ...(next !== undefined && {
      next: {
        at: next.getTime(),
        due: next.getTime() + jitter,
        interval: () => (nextFire(schedule, tier.timeZone, next)?.getTime() ?? Number.POSITIVE_INFINITY) - next.getTime(),
      },
    }),
  };
}

/** What comes seldom is worth being late for: otherwise a day without the service would cost a month its set. */
function defaultDeadlineMs(schedule: Schedule, timeZone: string, at: number): number {
  const interval = (nextFire(schedule, timeZone, new Date(at))?.getTime() ?? Number.POSITIVE_INFINITY) - at;
  return interval >= seldomMs ? interval / 2 : frequentDeadlineMs;
}

function newestUnhandled(policy: string, tier: ScheduledTier, schedule: Schedule, { history, now }: Moment): number | undefined {
  const newest = previousFire(schedule, tier.timeZone, new Date(now + 1))?.getTime();
  if (newest === undefined) return undefined;
  // A repository of the future was made by a clock that was wrong, and must not stop all backups until then.
  const ofRepository = newest >= history.createdAt || history.createdAt > now + clockSlackMs;
  return ofRepository && newest > (history.lastHandled(policy, tier.name) ?? Number.NEGATIVE_INFINITY) ? newest : undefined;
}

/** The making of the repository itself, in whole seconds as all fires, where the tier has not had a fire since. */
function firstOfAll(policy: string, tier: ScheduledTier, { history, now }: Moment): number | undefined {
  return history.createdAt <= now + clockSlackMs && !history.isKnown(policy, tier.name)
    ? Math.floor(history.createdAt / 1000) * 1000
    : undefined;
}

function retryAt(failed: Pick<FailedFire, 'attempts' | 'lastAttemptAt'> | undefined, due: number, now: number): number {
  if (failed === undefined) return due;
  const delay = (attempt: number): number => retryDelaysMs[Math.min(attempt, retryDelaysMs.length) - 1]!;
  const last = Date.parse(failed.lastAttemptAt);
  if (last <= now + clockSlackMs) return last + delay(failed.attempts);
  // The clock was put back since. What is counted instead grows with each attempt, so that no storm can come of it.
  return Array.from({ length: failed.attempts }, (_, index) => delay(index + 1)).reduce((sum, ms) => sum + ms, due);
}
