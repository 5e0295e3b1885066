import { type Fire, type PeriodUnit, type Policy, parts, type ScheduledTier, type Scope } from '../domain/policy.ts';
import { isWholeCluster, type Selection, sameSelection } from '../domain/selection.ts';
import type { TierState } from './tier-state.ts';

/** A fire is taken ahead of its time by at most this part of its tier’s interval: an hourly tier is not shifted by half an hour. */
const mostAhead = 1 / 10;

/** Days; for comparison only. */
const unitDays = { hour: 1 / 24, day: 1, week: 7, month: 30.4, year: 365 } satisfies Record<PeriodUnit, number>;

/** One run, for one tier or for several of a policy at once. */
export interface DueRun {
  readonly policy: string;
  /** Of the tiers that it stands for, the one that is kept longest: the label of the set. */
  readonly tier: string;
  /** All that it stands for, one of each tier, oldest first. */
  readonly fires: readonly Fire[];
  /** The widest selection, and the parts and locations of all. */
  readonly scope: Scope;
  /** 1, unless it was tried before. */
  readonly attempt: number;
}

interface Member {
  readonly tier: ScheduledTier;
  /** The fire: milliseconds since 1970. */
  readonly at: number;
  readonly attempts: number;
}

export interface CoalesceOptions {
  readonly now: number;
  /** How far ahead of its time a fire may be taken, milliseconds. */
  readonly coalesceMs: number;
  isHandled(tier: string, at: number): boolean;
}

/**
 * The run that `lead` starts, which has a pending fire: for every other tier too whose fire is pending, or comes within `coalesceMs` and
 * before the lead’s next, where one set can be both: the selections are equal, or one of them is the whole cluster.
 */
export function runOf(policy: Policy, lead: TierState, states: readonly TierState[], options: CoalesceOptions): DueRun {
  const members = [memberOf(lead, undefined, options)!];
  const others = states.flatMap(state => (state === lead ? [] : (memberOf(state, lead, options) ?? [])));
  let selection = lead.tier.scope.selection;
  // The whole cluster comes first, since it takes in all others.
  for (const other of [...others.filter(isWhole), ...others.filter(member => !isWhole(member))]) {
    const both = wider(selection, other.tier.scope.selection);
    if (both === undefined) continue;
    selection = both;
    members.push(other);
  }
  return {
    policy: policy.name,
    tier: longestKept(states.flatMap(({ tier }) => (members.some(member => member.tier === tier) ? [tier] : []))).name,
    fires: members
      .toSorted((a, b) => a.at - b.at)
      .map(({ tier, at }) => ({ policy: policy.name, tier: tier.name, at: new Date(at).toISOString() })),
    scope: scopeOf(selection, members),
    attempt: 1 + Math.max(...members.map(({ attempts }) => attempts)),
  };
}

function scopeOf(selection: Selection, members: readonly Member[]): Scope {
  const scopes = members.map(({ tier }) => tier.scope);
  const locations = new Set(scopes.flatMap(scope => scope.locations ?? []));
  // Of the policy, and so of each of them.
  const hooks = scopes[0]?.hooks;
  return {
    selection,
    parts: parts.filter(part => scopes.some(scope => scope.parts.includes(part))),
    ...(locations.size > 0 && { locations: [...locations] }),
    ...(hooks !== undefined && { hooks }),
  };
}

function memberOf({ tier, pending, next }: TierState, lead: TierState | undefined, options: CoalesceOptions): Member | undefined {
  if (pending !== undefined) return { tier, at: pending.at, attempts: pending.attempts };
  if (next === undefined || lead === undefined || options.isHandled(tier.name, next.at)) return undefined;
  const ahead = next.at - options.now;
  const leadIsBefore = lead.next === undefined || next.at < lead.next.at;
  return ahead <= options.coalesceMs && leadIsBefore && ahead <= next.interval() * mostAhead
    ? { tier, at: next.at, attempts: 0 }
    : undefined;
}

function isWhole({ tier }: Member): boolean {
  return isWholeCluster(tier.scope.selection);
}

/** One selection that takes what either takes; undefined where neither of the two is it. */
function wider(a: Selection, b: Selection): Selection | undefined {
  if (isWholeCluster(a)) return a;
  if (isWholeCluster(b)) return b;
  return sameSelection(a, b) ? a : undefined;
}

/** Of two that are kept equally long the one that comes later in the policy. */
function longestKept(tiers: readonly ScheduledTier[]): ScheduledTier {
  const days = ({ keep }: ScheduledTier): number => keep.count * unitDays[keep.unit];
  return tiers.reduce((longest, tier) => (days(tier) >= days(longest) ? tier : longest));
}
