import { type Fire, isScheduled, type Policy } from '../domain/policy.ts';
import { type DueRun, runOf } from './coalesce.ts';
import { type History, indexHistory } from './history.ts';
import { type Moment, type PendingFire, type TierState, tierState } from './tier-state.ts';

/** Tiers that fire within this time of each other become one run. */
export const defaultCoalesceMs = 3_600_000;
/** How long nothing at all may be looked at. */
const idleMs = 24 * 3_600_000;

export interface DecideInput {
  readonly policies: readonly Policy[];
  readonly history: History;
  readonly now: Date;
  /** Of the cluster that is backed up: spreads the jitter. */
  readonly clusterId: string;
  /** How far ahead of its time a fire may be taken with that of another tier, milliseconds; `defaultCoalesceMs` unless given. */
  readonly coalesceMs?: number;
}

/** A fire that was given up, since it could not be run in time. */
export interface MissedFire {
  readonly fire: Fire;
  /** Until when it could have been started. RFC 3339, UTC. */
  readonly deadline: string;
  /** How many times it was tried without success. */
  readonly attempts: number;
}

export interface Decision {
  /** To be started now; at most one of each policy. */
  readonly runs: readonly DueRun[];
  /** To be told to somebody, once: they come again with every decision until the history says that they are given up. */
  readonly missed: readonly MissedFire[];
  /** Before it nothing becomes due, unless a run ends or the configuration changes. Always later than `now`. */
  readonly wakeAt: Date;
}

/** What is to be started now, by the rules of docs/scheduling.md. Pure: the same input gives the same decision. */
export function decide({ policies, history, now, clusterId, coalesceMs = defaultCoalesceMs }: DecideInput): Decision {
  const moment: Moment = { history: indexHistory(history, now.getTime()), now: now.getTime(), clusterId };
  const decided = policies.filter(({ suspend }) => !suspend).map(policy => decidePolicy(policy, moment, coalesceMs));
  return {
    runs: decided.flatMap(({ run }) => run ?? []),
    missed: decided.flatMap(({ missed }) => missed),
    wakeAt: new Date(Math.min(moment.now + idleMs, ...decided.flatMap(({ wakes }) => wakes))),
  };
}

interface PolicyDecision {
  readonly run?: DueRun;
  readonly missed: readonly MissedFire[];
  /** Milliseconds since 1970. */
  readonly wakes: readonly number[];
}

function decidePolicy(policy: Policy, moment: Moment, coalesceMs: number): PolicyDecision {
  const { history, now } = moment;
  const tiers = policy.tiers.filter(isScheduled).filter(({ suspend }) => !suspend);
  const states = tiers.map((tier, index) => tierState(policy, tier, index === 0, moment));
  const missed = states.flatMap(({ tier, pending }) => (pending && pending.deadline < now ? [missedFire(policy, tier.name, pending)] : []));
  const open = states.map(state => (state.pending && state.pending.deadline < now ? withoutPending(state) : state));
  const lead = history.isRunning(policy.name) ? undefined : firstReady(open, now);
  const isHandled = (tier: string, at: number): boolean => history.isHandled(policy.name, tier, at);
  return {
    ...(lead && { run: runOf(policy, lead, open, { now, coalesceMs, isHandled }) }),
    missed,
    wakes: open.flatMap(wakesOf).filter(at => at > now),
  };
}

function missedFire(policy: Policy, tier: string, { at, deadline, attempts }: PendingFire): MissedFire {
  const fire = { policy: policy.name, tier, at: new Date(at).toISOString() };
  return { fire, deadline: new Date(deadline).toISOString(), attempts };
}

function withoutPending({ tier, next }: TierState): TierState {
  return { tier, ...(next && { next }) };
}

/** Of the tiers that may start, the one whose time came first: none waits forever behind one that fires more often. */
function firstReady(states: readonly TierState[], now: number): TierState | undefined {
  const ready = states.filter(({ pending }) => pending !== undefined && pending.readyAt <= now);
  return ready.toSorted((a, b) => a.pending!.at - b.pending!.at)[0];
}

function wakesOf({ pending, next }: TierState): number[] {
  return [...(pending ? [pending.readyAt, pending.deadline + 1] : []), ...(next ? [next.due] : [])];
}
