import { isEnded, type Operation } from '../domain/operation.ts';
import { type Fire, isScheduled, type Objectives, type Part, type Policy, type ScheduledTier } from '../domain/policy.ts';
import type { ReadableSet, SetSummary } from '../repository/catalog.ts';
import { parseSchedule, previousFire } from './cron.ts';
import { clockSlackMs } from './history.ts';
import { jitterOf } from './jitter.ts';
import { type MeasuredRestore, newestRestores } from './measured-restores.ts';
import type { NextRun } from './next-runs.ts';
import { type RecoveryTime, type RpoState, recoveryPoint, recoveryTime } from './objective-state.ts';
import { verdict } from './verdict.ts';

/** A fire without a set is overdue this long after it was due, or after twice the time that the tier’s last set took, whichever is longer. */
export const overdueAfterMs = 3_600_000;

export interface ObjectivesInput {
  readonly policies: readonly Policy[];
  /** In any order. */
  readonly sets: readonly SetSummary[];
  /** Of any kind and phase; the last weeks are enough. */
  readonly operations: readonly Operation[];
  /** When each tier runs next; a tier that is at work has the time of the run. */
  readonly nextRuns: readonly NextRun[];
  readonly now: Date;
  /** Of the repository. RFC 3339, UTC. */
  readonly createdAt: string;
  /** Of the cluster that is backed up: sets of another one protect nothing here. Empty where it is not known. */
  readonly clusterId: string;
  /** Fires that were given up. */
  readonly givenUp?: readonly Fire[];
  /** Why a set lacks a part, as its manifest says. */
  readonly partReason?: (set: string, part: Part) => string | undefined;
}

export interface LastSuccess {
  readonly set: string;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly objects: number;
  /** Bytes of JSON. */
  readonly bytes: number;
}

/** A part that is asked for, but that the newest complete set does not have. */
export interface PartGap {
  readonly part: Part;
  readonly reason: string;
}

interface Standing {
  readonly objectives: Objectives;
  /** The newest complete set. */
  readonly last?: LastSuccess;
  /** Of that set, from its start: what would be lost now, milliseconds. */
  readonly ageMs?: number;
  /** RFC 3339, UTC. */
  readonly nextRun?: string;
  readonly rpo: RpoState;
  readonly notProtected: readonly PartGap[];
}

export interface TierStanding extends Standing {
  readonly tier: string;
  /** When the newest fire was due that has no set though it should. RFC 3339, UTC. */
  readonly overdueSince?: string;
}

export interface PolicyStanding extends Standing {
  readonly policy: string;
  readonly suspended: boolean;
  readonly rto: RecoveryTime;
  /** Those with a schedule, in the order of the configuration. */
  readonly tiers: readonly TierStanding[];
  /** One sentence for people. */
  readonly verdict: string;
}

/**
 * How well each policy and tier keeps what it promises. Only Completed sets count, and of these neither those of another cluster nor those
 * that are dated more than ten minutes in the future. Pure: the order of the lists does not matter. CONFIG_INVALID for a schedule that makes
 * no sense.
 */
export function assessObjectives(input: ObjectivesInput): readonly PolicyStanding[] {
  const horizon = input.now.getTime() + clockSlackMs;
  const sets = input.sets.filter(
    (set): set is ReadableSet =>
      set.phase !== 'Unreadable' && Date.parse(set.startedAt) <= horizon && sameCluster(set.cluster.uid, input.clusterId),
  );
  const restores = newestRestores(input.operations, sets);
  return input.policies.map(policy => assessPolicy(policy, sets, restores.get(policy.name), input));
}

function sameCluster(one: string, other: string): boolean {
  return one === '' || other === '' || one === other;
}

function assessPolicy(
  policy: Policy,
  all: readonly ReadableSet[],
  restore: MeasuredRestore | undefined,
  input: ObjectivesInput,
): PolicyStanding {
  const sets = all.filter(set => set.fires.some(fire => fire.policy === policy.name));
  const scheduled = policy.tiers.filter(isScheduled);
  const tiers = scheduled.map(tier => assessTier(policy, tier, sets, input));
  const isOverdue = tiers.some(({ overdueSince }) => overdueSince !== undefined);
  const basics = standing({ policy: policy.name, objectives: policy.objectives, sets, isOverdue }, input);
  const assessed = {
    ...basics,
    policy: policy.name,
    suspended: policy.suspend,
    rto: recoveryTime(policy.objectives.rtoMs, restore),
    notProtected: gapsOf(scheduled, sets, policy.name, input),
    tiers,
  };
  return { ...assessed, verdict: verdict(assessed, input.now) };
}

function assessTier(policy: Policy, tier: ScheduledTier, ofPolicy: readonly ReadableSet[], input: ObjectivesInput): TierStanding {
  const sets = ofPolicy.filter(set => set.fires.some(fire => fire.policy === policy.name && fire.tier === tier.name));
  const overdueSince = policy.suspend || tier.suspend ? undefined : overdue(policy.name, tier, sets, input);
  const of = { policy: policy.name, tier: tier.name, objectives: tier.objectives, sets, isOverdue: overdueSince !== undefined };
  return {
    tier: tier.name,
    ...standing(of, input),
    notProtected: gapsOf([tier], sets, policy.name, input),
    ...(overdueSince !== undefined && { overdueSince: new Date(overdueSince).toISOString() }),
  };
}

interface Subject {
  readonly policy: string;
  /** Absent for the policy as a whole. */
  readonly tier?: string;
  readonly objectives: Objectives;
  /** Its own, of any phase. */
  readonly sets: readonly ReadableSet[];
  readonly isOverdue: boolean;
}

function standing({ policy, tier, objectives, sets, isOverdue }: Subject, input: ObjectivesInput): Omit<Standing, 'notProtected'> {
  const now = input.now.getTime();
  const newest = newestOf(sets.filter(({ phase }) => phase === 'Completed'));
  const runs = input.nextRuns.filter(run => run.policy === policy && (tier === undefined || run.tier === tier));
  const nextRun = runs.map(({ at }) => Date.parse(at)).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const usualMs = newest === undefined ? 0 : tookMs(newest);
  const isTroubled = isOverdue || hasFailedSince(newest, { policy, ...(tier !== undefined && { tier }), sets }, input.operations);
  const rpo = recoveryPoint({
    objectiveMs: objectives.rpoMs,
    takenAt: newest === undefined ? undefined : Date.parse(newest.startedAt),
    ...{ now, isTroubled, createdAt: Date.parse(input.createdAt), nextEnd: Math.max(nextRun + usualMs, now) },
  });
  return {
    ...{ objectives, rpo },
    ...(newest !== undefined && { last: successOf(newest), ageMs: Math.max(0, now - Date.parse(newest.startedAt)) }),
    ...(nextRun !== Number.POSITIVE_INFINITY && { nextRun: new Date(nextRun).toISOString() }),
  };
}

function successOf({ id, startedAt, finishedAt, objects, bytes }: ReadableSet): LastSuccess {
  return { set: id, startedAt, finishedAt, objects, bytes };
}

/** Of sets that were started in the same moment the one with the greater id. */
function newestOf(sets: readonly ReadableSet[]): ReadableSet | undefined {
  const isNewer = (one: ReadableSet, other: ReadableSet): boolean => {
    const difference = Date.parse(one.startedAt) - Date.parse(other.startedAt);
    return difference === 0 ? one.id > other.id : difference > 0;
  };
  return sets.reduce<ReadableSet | undefined>((best, set) => (best === undefined || isNewer(set, best) ? set : best), undefined);
}

function tookMs({ startedAt, finishedAt }: ReadableSet): number {
  return Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt));
}

/** Was there a run of it, after its newest complete set, that made none? */
function hasFailedSince(
  newest: ReadableSet | undefined,
  { policy, tier, sets }: Pick<Subject, 'policy' | 'tier' | 'sets'>,
  operations: readonly Operation[],
): boolean {
  const since = newest === undefined ? Number.NEGATIVE_INFINITY : Date.parse(newest.startedAt);
  if (sets.some(set => set.phase !== 'Completed' && Date.parse(set.startedAt) > since)) return true;
  return operations.some(
    ({ request: { kind, parameters }, phase, result }) =>
      kind === 'backup' &&
      isEnded(phase) &&
      phase !== 'Completed' &&
      parameters['policy'] === policy &&
      (tier === undefined || parameters['tier'] === tier) &&
      result !== undefined &&
      Date.parse(result.startedAt) > since,
  );
}

/** When the newest fire was due that should have a set of whatever phase by now, and has none. */
function overdue(policy: string, tier: ScheduledTier, sets: readonly ReadableSet[], input: ObjectivesInput): number | undefined {
  const now = input.now.getTime();
  const jitter = jitterOf(policy, tier.name, input.clusterId, tier.jitterMs);
  const newest = newestOf(sets.filter(({ phase }) => phase === 'Completed'));
  const graceMs = Math.max(overdueAfterMs, newest === undefined ? 0 : 2 * tookMs(newest));
  const expected = previousFire(parseSchedule(tier.schedule), tier.timeZone, new Date(now - jitter - graceMs + 1))?.getTime();
  const createdAt = Date.parse(input.createdAt);
  // What was due before the repository was made is nobody’s; one that was made “in the future” has always been there.
  if (expected === undefined || (expected < createdAt && createdAt <= now + clockSlackMs)) return undefined;
  const own = (fire: Fire): boolean => fire.policy === policy && fire.tier === tier.name;
  const done = sets.flatMap(set => set.fires.filter(own)).map(({ at }) => Date.parse(at));
  if (done.some(at => at >= expected && at <= now + clockSlackMs)) return undefined;
  // A tier that is new had no part in what was due before; nobody will make up for it.
  const isNew = done.length === 0 && (input.givenUp ?? []).some(fire => own(fire) && Date.parse(fire.at) >= expected);
  return isNew ? undefined : expected + jitter;
}

/** What the newest complete set that was asked for a part says about it. */
function gapsOf(tiers: readonly ScheduledTier[], sets: readonly ReadableSet[], policy: string, input: ObjectivesInput): PartGap[] {
  const asked = [...new Set(tiers.flatMap(({ scope }) => scope.parts))];
  return asked.flatMap(part => {
    const names = new Set(tiers.filter(({ scope }) => scope.parts.includes(part)).map(({ name }) => name));
    const newest = newestOf(
      sets.filter(set => set.phase === 'Completed' && set.fires.some(fire => fire.policy === policy && names.has(fire.tier))),
    );
    if (newest === undefined) return [{ part, reason: 'no complete set was taken with it yet' }];
    if (!newest.notProtected.includes(part)) return [];
    return [{ part, reason: input.partReason?.(newest.id, part) ?? `${newest.id}, the newest complete set, is without it` }];
  });
}
