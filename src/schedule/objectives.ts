import { clockSlackMs } from '../domain/clock-slack.ts';
import type { ClusterIdentity } from '../domain/cluster-identity.ts';
import {
  type Fire,
  isScheduled,
  type Objectives,
  type Part,
  type Policy,
  type ScheduledTier,
  type Scope,
  wholeTiers,
} from '../domain/policy.ts';
import { isClusterWide, isWholeCluster, sameSelection } from '../domain/selection.ts';
import type { ReadableSet, SetSummary } from '../repository/catalog.ts';
import { nextFire, parseSchedule, previousFire } from './cron.ts';
import { type ObjectiveState, recoveryPoint, recoveryTime, worse } from './objective-state.ts';
import { objectiveMessage } from './objective-words.ts';

export type { ObjectiveState };

/** A fire that no set stands for is overdue this long after its time, jitter included. */
export const overdueAfterMs = 3_600_000;

/** What a restore took; of the tiers that its set was taken for. */
export interface MeasuredRestore {
  readonly policy: string;
  /** Absent where it counts for the policy alone. */
  readonly tier?: string;
  /** When it ended. RFC 3339, UTC. */
  readonly at: string;
  readonly durationMs: number;
}

export interface ObjectivesInput {
  readonly policies: readonly Policy[];
  /** In any order. */
  readonly sets: readonly SetSummary[];
  /** In any order. */
  readonly restores: readonly MeasuredRestore[];
  readonly now: Date;
  /** Of runs that somebody called off, in any order; none unless given. */
  readonly calledOff?: readonly Fire[];
  /** The time of a tier’s next run; undefined where none is planned. */
  readonly nextRun: (policy: string, tier: string) => Date | undefined;
  /** When the repository was made, or the cluster: nobody’s runs lie before it. */
  readonly since?: Date;
  /** Is it the cluster that is backed up? Sets of another one protect nothing here; all count unless given. */
  readonly isOwn?: (cluster: ClusterIdentity) => boolean;
}

/** How well a tier, or a policy as a whole (`tier` absent), keeps what it promises. */
export interface ObjectiveStatus {
  readonly policy: string;
  readonly tier?: string;
  readonly objectives: Objectives;
  readonly state: ObjectiveState;
  /** In one sentence, for people. */
  readonly message: string;
  /** The newest complete set that counts, scheduled or not, and when it was started. */
  readonly lastComplete?: { readonly set: string; readonly at: string };
  /** What would be lost now, milliseconds. */
  readonly rpoNowMs?: number;
  /** How long the last measured restore took, milliseconds. */
  readonly rtoLastMs?: number;
  /** RFC 3339, UTC. */
  readonly nextRun?: string;
  /** The first fire that should have a set, and has none: neither its own, nor a later one that stands for it. RFC 3339, UTC. */
  readonly overdueSince?: string;
  /** Parts that are asked for, and that the newest complete sets of those who ask do not have. */
  readonly notProtected: readonly Part[];
}

/**
 * Each policy as a whole, followed by its tiers that have a schedule. Only Completed sets count, and of these neither those of another cluster
 * nor those that are dated more than ten minutes in the future; of those on demand the ones that have all that the tier asks for. Pure: the order of the lists does not matter. CONFIG_INVALID for a schedule or
 * a time zone that makes no sense.
 */
export function objectiveStatuses(input: ObjectivesInput): ObjectiveStatus[] {
  const horizon = input.now.getTime() + clockSlackMs;
  const sets = input.sets.filter(
    (set): set is ReadableSet => set.phase !== 'Unreadable' && Date.parse(set.startedAt) <= horizon && (input.isOwn?.(set.cluster) ?? true),
  );
  return input.policies.flatMap(policy => {
    const tiers = policy.tiers.filter(isScheduled).map(tier => lookAt(policy, tier, sets, input));
    const whole = wholeTiers(policy);
    const isOfAll = whole.some(({ scope }) => isClusterWide(scope.selection));
    const ofPolicy = sets.filter(
      set =>
        (set.fires.some(fire => fire.policy === policy.name) && (!isOfAll || isClusterWide(set.selection))) ||
        whole.some(({ scope }) => standsFor(set, scope)),
    );
    const asked = new Set(tiers.flatMap(({ tier }) => tier.scope.parts));
    const has = (part: Part) => tiers.some(({ tier, missing }) => tier.scope.parts.includes(part) && !missing.includes(part));
    const subject: Subject = {
      ...{ policy: policy.name, objectives: policy.objectives, tiers, judged: tiers.filter(({ tier }) => whole.includes(tier)) },
      newest: newestComplete(ofPolicy),
      missing: [...asked].filter(part => !has(part)),
    };
    return [
      statusOf(subject, input),
      ...tiers.map(one =>
        statusOf({ policy: policy.name, name: one.tier.name, objectives: one.tier.objectives, tiers: [one], judged: [one], ...one }, input),
      ),
    ];
  });
}

/**
 * Would a set that nobody scheduled do in place of one of a tier? It was to have all that the tier asks for: the tier’s own selection, or the
 * whole cluster, and each of its parts.
 */
function standsFor({ fires, selection, asked = ['resources'] }: ReadableSet, scope: Scope): boolean {
  if (fires.length > 0 || !scope.parts.every(part => asked.includes(part))) return false;
  return isWholeCluster(selection) || sameSelection(selection, scope.selection);
}

/** A tier and what was found of it. Times are milliseconds since 1970. */
interface TierLook {
  readonly tier: ScheduledTier;
  readonly newest: ReadableSet | undefined;
  readonly missing: readonly Part[];
  readonly overdue: number | undefined;
  /** The time of its newest run that somebody called off, where no later set stands for it. */
  readonly calledOff: number | undefined;
  /** The time of a run that may be at work still. */
  readonly atWork: number | undefined;
  /** Of its next run; undefined where none is planned. */
  readonly planned: number | undefined;
}

function lookAt(policy: Policy, tier: ScheduledTier, all: readonly ReadableSet[], input: ObjectivesInput): TierLook {
  const sets = all.filter(set => set.fires.some(fire => fire.policy === policy.name && fire.tier === tier.name));
  const besides = all.filter(set => standsFor(set, tier.scope));
  const newest = newestComplete([...sets, ...besides]);
  const missing = newest === undefined ? tier.scope.parts : tier.scope.parts.filter(part => newest.notProtected.includes(part));
  if (policy.suspend || tier.suspend) {
    return { tier, newest, missing, overdue: undefined, calledOff: undefined, atWork: undefined, planned: undefined };
  }
  return {
    ...{ tier, newest, missing, ...openFires(policy.name, tier, { sets, besides }, input) },
    atWork: atWork(tier, newest, input.now.getTime()),
    planned: input.nextRun(policy.name, tier.name)?.getTime(),
  };
}

/** A fire that came so lately that its set may still be under way. */
function atWork(tier: ScheduledTier, newest: ReadableSet | undefined, now: number): number | undefined {
  const at = previousFire(parseSchedule(tier.schedule), tier.timeZone, new Date(now + 1))?.getTime();
  if (at === undefined || now >= at + tier.jitterMs + overdueAfterMs) return undefined;
  return newest !== undefined && Date.parse(newest.startedAt) >= at ? undefined : at;
}

/**
 * `overdue`: the first fire after the newest that is done with, where it should have a set by now. A set of a fire may be of whatever phase; one
 * that somebody asked for, `besides`, does for all fires before it where it is complete; and nobody waits for what was called off.
 */
function openFires(
  policy: string,
  tier: ScheduledTier,
  { sets, besides }: { readonly sets: readonly ReadableSet[]; readonly besides: readonly ReadableSet[] },
  { now, since, calledOff = [] }: ObjectivesInput,
): Pick<TierLook, 'overdue' | 'calledOff'> {
  const schedule = parseSchedule(tier.schedule);
  const latest = now.getTime() - tier.jitterMs - overdueAfterMs;
  const newestOf = (fires: readonly Fire[]): number =>
    fires
      .filter(fire => fire.policy === policy && fire.tier === tier.name)
      .map(({ at }) => Date.parse(at))
      .filter(at => at <= now.getTime() + clockSlackMs)
      .reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const standing = newestComplete(besides);
  const stood = Math.max(
    newestOf(sets.flatMap(({ fires }) => fires)),
    standing === undefined ? Number.NEGATIVE_INFINITY : Date.parse(standing.startedAt),
  );
  const off = newestOf(calledOff);
  const madeAt = since === undefined || since.getTime() > now.getTime() + clockSlackMs ? Number.NEGATIVE_INFINITY : since.getTime();
  // What was due before the repository was made is nobody’s.
  const after = Math.max(stood, off, madeAt - 1);
  const first =
    after === Number.NEGATIVE_INFINITY
      ? previousFire(schedule, tier.timeZone, new Date(latest + 1))
      : nextFire(schedule, tier.timeZone, new Date(after));
  const overdue = first !== undefined && first.getTime() <= latest ? first.getTime() : undefined;
  return { overdue, calledOff: off > stood ? off : undefined };
}

/** Of sets that were started in the same moment the one with the greater id. */
function newestComplete(sets: readonly ReadableSet[]): ReadableSet | undefined {
  const isNewer = (one: ReadableSet, other: ReadableSet): boolean => {
    const difference = Date.parse(one.startedAt) - Date.parse(other.startedAt);
    return difference === 0 ? one.id > other.id : difference > 0;
  };
  return sets
    .filter(({ phase }) => phase === 'Completed')
    .reduce<ReadableSet | undefined>((best, set) => (best === undefined || isNewer(set, best) ? set : best), undefined);
}

interface Subject {
  readonly policy: string;
  readonly name?: string;
  readonly objectives: Objectives;
  readonly newest: ReadableSet | undefined;
  readonly missing: readonly Part[];
  readonly tiers: readonly TierLook[];
  /** Those of them whose runs make sets that count. */
  readonly judged: readonly TierLook[];
}

function statusOf({ policy, name, objectives, newest, missing, tiers, judged }: Subject, input: ObjectivesInput): ObjectiveStatus {
  const now = input.now.getTime();
  const overdue = earliest(tiers.map(tier => tier.overdue));
  const planned = earliest(tiers.map(tier => tier.planned));
  const restore = newestRestore(input.restores.filter(one => one.policy === policy && (name === undefined || one.tier === name)));
  const point = recoveryPoint({
    objectiveMs: objectives.rpoMs,
    takenAt: newest === undefined ? undefined : Date.parse(newest.startedAt),
    ...{ now, isOverdue: judged.some(tier => tier.overdue !== undefined), madeAt: input.since?.getTime() },
    atWork: judged.flatMap(tier => tier.atWork ?? []),
    ...{ planned: earliest(judged.map(tier => tier.planned)), tookMs: newest === undefined ? 0 : tookMs(newest) },
  });
  const time = newest === undefined ? 'unknown' : recoveryTime(objectives.rtoMs, restore?.durationMs);
  const status = {
    policy,
    ...(name !== undefined && { tier: name }),
    objectives,
    state: worse(point, time),
    ...(newest !== undefined && {
      lastComplete: { set: newest.id, at: newest.startedAt },
      rpoNowMs: Math.max(0, now - Date.parse(newest.startedAt)),
    }),
    ...(restore !== undefined && { rtoLastMs: restore.durationMs }),
    ...(planned !== undefined && { nextRun: new Date(planned).toISOString() }),
    ...(overdue !== undefined && { overdueSince: new Date(overdue).toISOString() }),
    notProtected: missing,
  };
  const calledOff = tiers.flatMap(tier => tier.calledOff ?? []).toSorted((a, b) => b - a)[0];
  return { ...status, message: objectiveMessage(status, calledOff === undefined ? undefined : new Date(calledOff).toISOString()) };
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter(time => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function tookMs({ startedAt, finishedAt }: ReadableSet): number {
  return Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt));
}

function newestRestore(restores: readonly MeasuredRestore[]): MeasuredRestore | undefined {
  return restores.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at) || a.durationMs - b.durationMs).at(-1);
}
