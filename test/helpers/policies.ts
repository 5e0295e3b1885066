import type { Fire, Policy, ScheduledTier } from '../../src/domain/policy.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import { type DecideInput, type Decision, decide } from '../../src/schedule/due.ts';
import type { FailedFire, History } from '../../src/schedule/history.ts';

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

export function namespaces(...names: string[]): Selection {
  return { ...everything, includeNamespaces: names };
}

/** A tier of the whole cluster’s resources, kept 30 days, without jitter, given up after 12 hours. */
export function tier(name: string, schedule: string, changes: Partial<ScheduledTier> = {}): ScheduledTier {
  return {
    name,
    schedule,
    timeZone: 'UTC',
    keep: { count: 30, unit: 'day' },
    scope: { selection: everything, parts: ['resources'] },
    suspend: false,
    startingDeadlineMs: 12 * hour,
    jitterMs: 0,
    objectives: {},
    ...changes,
  };
}

export function policy(tiers: Policy['tiers'], changes: Partial<Policy> = {}): Policy {
  return { name: 'platform', tiers, objectives: {}, suspend: false, initialBackup: false, ...changes };
}

/** Of a repository made at the beginning of 2026 that holds a complete set of `platform`, but of no scheduled run. */
export function history(changes: Partial<History> = {}): History {
  return {
    createdAt: '2026-01-01T00:00:00.000Z',
    handled: [],
    failed: [],
    running: [],
    givenUp: [],
    complete: new Set(['platform']),
    ...changes,
  };
}

/** A time without its seconds, UTC. 22 November 2026 is a Sunday. */
export const utc = (text: string): string => `${text}:00.000Z`;
export const fire = (name: string, at: string, of = 'platform'): Fire => ({ policy: of, tier: name, at: utc(at) });
export const failed = (name: string, at: string, attempts: number, lastAttemptAt: string): FailedFire => ({
  ...fire(name, at),
  attempts,
  lastAttemptAt: utc(lastAttemptAt),
});

/** What is decided at a time (or at `options.now`), for the cluster `c1`. */
export function at(now: string, policies: Policy | Policy[], past: Partial<History> = {}, options: Partial<DecideInput> = {}): Decision {
  const all = Array.isArray(policies) ? policies : [policies];
  return decide({ policies: all, history: history(past), now: new Date(utc(now)), clusterId: 'c1', ...options });
}

/** `daily@2026-11-23T02:00` for each fire of each run. */
export function started({ runs }: Decision): string[] {
  return runs.map(run => run.fires.map(({ tier: name, at: time }) => `${name}@${time.slice(0, 16)}`).join(' '));
}
