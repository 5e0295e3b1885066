import { sha256Hex } from '../crypto/digest.ts';
import { clockSlackMs } from '../domain/clock-slack.ts';
import type { Policy, Tier } from '../domain/policy.ts';
import type { ReadableSet, SetSummary } from '../repository/catalog.ts';
import { addPeriod, periodAt } from './calendar.ts';
import type { OthersReason } from './other-clusters.ts';
import { type Candidate, type Membership, type Newest, type Promotion, type Standing, standings, tiersOf } from './retention-standing.ts';

/** The share of all sets that one run may delete unless told otherwise. */
export const defaultMaxShare = 0.25;
/** So many may always go: a share of few sets would be none. */
const alwaysAllowed = 3;

/** That somebody wants a set to stay. */
export interface RetentionHold {
  readonly set: string;
  readonly reason: string;
  readonly by: string;
}

/** What is being done with a set just now, by its id: `being restored`. `all` stands for every set. */
export type BusySets = ReadonlyMap<string, string>;

export interface RetentionInput {
  /** In any order; ids are unique. */
  readonly sets: readonly SetSummary[];
  readonly policies: readonly Policy[];
  readonly holds: readonly RetentionHold[];
  readonly busy: BusySets;
  readonly now: Date;
  /** Why sets of a cluster are not decided on here; those of all are unless given. */
  readonly othersReason?: OthersReason | undefined;
  readonly limits?: {
    /** The greatest part of the sets that it decides on that one run may delete, above 0 and at most 1; three may always go. */
    readonly maxShare?: number;
    /** Somebody has looked at the plan, and wants it carried out however much it deletes. */
    readonly yes?: boolean;
  };
}

/** One set in the plan, and why. */
export interface RetentionDecision {
  readonly set: string;
  readonly action: 'keep' | 'delete';
  /** All that keeps it, or all that has ended; at least one. */
  readonly reasons: readonly string[];
  /** RFC 3339, UTC: when it can go by the rules as they stand; absent where nothing lets it go. */
  readonly expiresAt?: string;
}

export interface RetentionPlan {
  /** RFC 3339, UTC. */
  readonly at: string;
  /** SHA-256 of all decisions to delete, lower-case hex: two plans with the same one delete the same. */
  readonly digest: string;
  /** Oldest first, one for every set. */
  readonly decisions: readonly RetentionDecision[];
  /** It deletes more than one run may without being told to. */
  readonly beyondLimit: boolean;
  /** Why nothing may be deleted now, though there are decisions to delete. */
  readonly blocked?: string;
  /** What somebody should look at: sets that cannot be read, sets of a wrong clock. */
  readonly notices: readonly string[];
}

/** What all decisions rest on. */
export interface Judged {
  readonly ordered: readonly Dated[];
  /** Milliseconds since 1970: what began later is dated in the future. */
  readonly horizon: number;
  readonly judged: readonly (Candidate & { readonly unnamed: readonly string[] })[];
  readonly standingOf: (set: ReadableSet) => Standing;
}

/** Sets in their order, and how those stand that are decided on, can be read and are not dated in the future: the others stand for nothing. */
export function judge({ sets, policies, now, othersReason }: Pick<RetentionInput, 'sets' | 'policies' | 'now' | 'othersReason'>): Judged {
  const ordered = sets.map(set => ({ set, start: startOf(set) })).toSorted(byAge);
  const horizon = now.getTime() + clockSlackMs;
  const judged = ordered.flatMap(({ set, start }): (Candidate & { unnamed: string[] })[] =>
    isReadable(set) && start <= horizon && othersReason?.(set.cluster) === undefined ? [{ set, start, ...tiersOf(set, policies) }] : [],
  );
  return { ordered, horizon, judged, standingOf: standings(judged) };
}

/** Says for every set whether it stays, and why, by the rules of docs/retention.md. Pure: the order of the input does not matter. */
export function planRetention(input: RetentionInput): RetentionPlan {
  const { now, limits = {} } = input;
  const looked = judge(input);
  const { ordered, horizon, judged } = looked;
  const context = contextOf(input);
  const decisions = ordered.map(one => decideOn(one, looked, context));
  const deleted = decisions.filter(({ action }) => action === 'delete').map(({ set }) => set);
  const allowed = Math.max(alwaysAllowed, Math.floor(judged.length * (limits.maxShare ?? defaultMaxShare)));
  const beyondLimit = deleted.length > allowed;
  return {
    at: now.toISOString(),
    digest: sha256Hex(deleted.toSorted().join('\n')),
    decisions,
    beyondLimit,
    ...(beyondLimit &&
      limits.yes !== true && {
        blocked: `${deleted.length} of ${judged.length} sets would go, and one run may delete ${allowed} without being told to`,
      }),
    notices: ordered.flatMap(({ set, start }) => noticeOf(set, start, horizon)),
  };
}

/** What the plan says of this one. */
export function decisionOn(set: SetSummary, looked: Judged, input: RetentionInput): RetentionDecision {
  return decideOn({ set, start: startOf(set) }, looked, contextOf(input));
}

function decideOn({ set, start }: Dated, { horizon, standingOf }: Judged, context: Context): RetentionDecision {
  if (!isReadable(set)) return decideUnlooked(set, `unreadable, so nothing is known of its tier: ${set.error.message}`, context);
  const others = context.othersReason?.(set.cluster);
  if (others !== undefined) return decideUnlooked(set, others, context);
  return decide({ set, start, isFuture: start > horizon, ...tiersOf(set, context.policies), ...standingOf(set) }, context);
}

/** The sets that a plan deletes, oldest first: none while it is blocked. */
export function toDelete({ decisions, blocked }: RetentionPlan): string[] {
  return blocked === undefined ? decisions.filter(({ action }) => action === 'delete').map(({ set }) => set) : [];
}

interface Context {
  readonly policies: readonly Policy[];
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly holds: ReadonlyMap<string, readonly RetentionHold[]>;
  readonly busy: BusySets;
  readonly othersReason: OthersReason | undefined;
}

function contextOf({ policies, now, holds, busy, othersReason }: RetentionInput): Context {
  return { policies, now: now.getTime(), holds: Map.groupBy(holds, hold => hold.set), busy, othersReason };
}

/** A time for which a tier keeps a set. */
interface Span {
  readonly what: string;
  readonly tier: Tier;
  /** Milliseconds since 1970; from then on the tier lets it go. */
  readonly end: number;
}

interface Case extends Standing {
  readonly set: ReadableSet;
  readonly start: number;
  readonly isFuture: boolean;
  readonly memberships: readonly Membership[];
  readonly unnamed: readonly string[];
}

function decide(one: Case, context: Context): RetentionDecision {
  const { set, start, memberships, promotions, unnamed } = one;
  const spans: Span[] = [
    ...memberships.map(({ policy, tier }) => ({ what: tierName(policy, tier, context), tier, end: addPeriod(start, tier.keep) })),
    ...promotions.map(promotion => ({
      what: archiveName(promotion, context),
      tier: promotion.tier,
      end: addPeriod(start, promotion.tier.keep),
    })),
  ];
  const running = spans.filter(({ end }) => end > context.now).map(span => `${span.what} until ${dateOf(span)}`);
  const forGood = [
    ...heldReasons(set, context),
    ...unnamed.map(name => `no policy names its tier (${name}): kept until somebody deletes it`),
  ];
  const newest = one.newestOf.map(of => newestReason(of, set, context));
  const reasons = [...running, ...newest, ...forGood, ...passing(one, context)];
  const end = Math.max(...spans.map(span => span.end));
  if (reasons.length > 0) {
    const isOpen = forGood.length > 0 || spans.length === 0 || (running.length === 0 && newest.length > 0);
    return { set: set.id, action: 'keep', reasons, ...(!isOpen && { expiresAt: new Date(end).toISOString() }) };
  }
  const ended = spans.map(span => `${span.what} ended ${dateOf(span)}`);
  return { set: set.id, action: 'delete', reasons: ended, expiresAt: new Date(end).toISOString() };
}

/** Undefined when nothing is done with the set. */
export function doingWith(set: string, busy: BusySets): string | undefined {
  return busy.get(set) ?? busy.get('all');
}

/** What keeps a set for the time being, and does not change when it expires. */
function passing({ set, isFuture }: Case, { busy }: Context): string[] {
  const doing = doingWith(set.id, busy);
  return [...(doing === undefined ? [] : [doing]), ...(isFuture ? ['dated in the future'] : [])];
}

/** Kept for this reason, whatever the policies say. */
function decideUnlooked(set: SetSummary, reason: string, context: Context): RetentionDecision {
  const doing = doingWith(set.id, context.busy);
  return { set: set.id, action: 'keep', reasons: [reason, ...heldReasons(set, context), ...(doing === undefined ? [] : [doing])] };
}

function heldReasons({ id }: SetSummary, { holds }: Context): string[] {
  return (holds.get(id) ?? []).map(({ by, reason }) => `held by ${by}: ${reason}`).toSorted();
}

/** `the newest complete set of tier daily` */
export function newestReason({ policy, tier, by }: Newest, { phase }: ReadableSet, context: Pick<Context, 'policies'>): string {
  const kind = phase === 'Completed' ? 'newest complete set' : 'newest set, none being complete,';
  const whose = tier === undefined ? `policy ${policy.name}` : `tier ${tierName(policy, tier, context)}`;
  return `the ${kind} of ${whose}${by === 'label' ? ' on demand' : ''}`;
}

function archiveName({ policy, tier, period }: Promotion, context: Context): string {
  const isCurrent = period.start >= periodAt(context.now, tier.promote.lastOf).start;
  return `${tierName(policy, tier, context)} archive of ${period.name}${isCurrent ? ' so far' : ''}`;
}

/** With the policy where there are several. */
function tierName(policy: Policy, tier: Tier, { policies }: Pick<Context, 'policies'>): string {
  return policies.length > 1 ? `${policy.name}/${tier.name}` : tier.name;
}

/** To the minute (UTC) where the tier counts hours. */
function dateOf({ end, tier }: Span): string {
  const iso = new Date(end).toISOString();
  return tier.keep.unit === 'hour' ? `${iso.slice(0, 16)}Z` : iso.slice(0, 10);
}

function noticeOf(set: SetSummary, start: number, horizon: number): string[] {
  if (!isReadable(set)) return [`${set.id} cannot be read, and is kept: ${set.error.message}`];
  return start <= horizon ? [] : [`${set.id} is dated in the future (${set.startedAt}), and is kept: a clock was wrong, here or there`];
}

export function isReadable(set: SetSummary): set is ReadableSet {
  return set.phase !== 'Unreadable';
}

interface Dated {
  readonly set: SetSummary;
  readonly start: number;
}

/** Milliseconds since 1970. What is no time counts as one of the future: its set stays. */
function startOf({ startedAt }: SetSummary): number {
  const start = Date.parse(startedAt);
  return Number.isNaN(start) ? Date.UTC(9999, 0) : start;
}

/** By time, then by id. */
function byAge(a: Dated, b: Dated): number {
  return a.start - b.start || (a.set.id < b.set.id ? -1 : 1);
}
