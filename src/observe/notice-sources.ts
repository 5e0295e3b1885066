import { errorTable, type HoldfastError, isCode } from '../domain/errors.ts';
import { isEnded, type Operation, type OperationPhase, type OperationResult } from '../domain/operation.ts';
import type { Fire } from '../domain/policy.ts';
import type { UpkeepItem, UpkeepOutcome } from '../domain/volume-upkeep.ts';
import type { MissedFire } from '../schedule/due.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import type { Occurrence } from './notice.ts';
import type { Observation } from './notice-state.ts';

// What the service sees, as observations. Pure: whether and when anybody is told is the business of notice-state.ts.

/** An operation that has ended; none for one that has not, was cancelled, or is taken up by the next leader. */
export function operationObservations(operation: Operation): readonly Observation[] {
  const { phase, request, result } = operation;
  if (!isEnded(phase) || result === undefined || phase === 'Cancelled') return [];
  switch (request.kind) {
    case 'backup':
      return phase === 'Interrupted' ? [] : backupObservations(operation);
    case 'restore':
      return request.parameters['dryRun'] === true ? [] : [restoreEnded(operation)];
    case 'verify':
      return verifyObservations(operation);
    case 'retention':
      return retentionObservations(operation);
    case 'validate':
    case 'delete':
      return [];
  }
}

function backupObservations(operation: Operation): readonly Observation[] {
  const { request, phase, result } = operation;
  const { fires, policy, tier } = request.parameters as { fires?: readonly Fire[]; policy?: string; tier?: string };
  const set = textOf(result?.summary['set']);
  const isPartial = phase === 'PartiallyFailed';
  const problems = Number(result?.summary['problems'] ?? 0);
  const occurrence = {
    event: isPartial ? ('backup.partially-failed' as const) : ('backup.failed' as const),
    ...(policy !== undefined && { policy }),
    ...(tier !== undefined && { tier }),
    subject: set ?? request.id,
    what: isPartial ? `a backup lacks ${problems === 1 ? 'one thing' : `${problems} things`} that it should have` : 'a backup failed',
    why: result?.error?.message ?? '',
    hint: isPartial ? `see what is missing: holdfast backup describe ${set ?? 'latest'}` : (result?.error?.hint ?? ''),
  };
  // Nobody repeats what was asked for once, so that nothing would ever end it.
  if (fires === undefined || fires.length === 0) {
    return phase === 'Completed' ? [] : [{ type: 'happened', key: `operation/${request.id}`, occurrence }];
  }
  if (phase !== 'Completed') return [{ type: 'holds', key: backupKey({ policy: policy ?? '', tier: tier ?? '' }), occurrence }];
  const what = 'a complete set was made again';
  return fires.map(fire => ({ type: 'over', key: backupKey(fire), what, ...(set !== undefined && { subject: set }) }));
}

function backupKey({ policy, tier }: Pick<Fire, 'policy' | 'tier'>): string {
  return `backup/${policy}/${tier}`;
}

const restoreWords = {
  Completed: 'a restore is complete',
  PartiallyFailed: 'a restore has ended, but some objects are not back',
  Failed: 'a restore failed',
  Interrupted: 'a restore was interrupted',
} as const;

function restoreEnded({ request, phase, result }: Operation): Observation {
  const severity = phase === 'Completed' ? 'info' : phase === 'PartiallyFailed' ? 'warning' : 'error';
  const occurrence: Occurrence = {
    ...{ event: 'restore.ended', severity, subject: request.subject, what: restoreWords[phase as keyof typeof restoreWords] },
    why: result?.error?.message ?? `asked for by ${request.actor.name}`,
    hint: result?.error?.hint ?? '',
  };
  return { type: 'happened', key: `operation/${request.id}`, occurrence };
}

/** A verification that could not look says nothing, neither good nor bad. */
function verifyObservations({ request, phase, result }: Operation): readonly Observation[] {
  const key = `verify/${request.subject}`;
  if (phase === 'Completed') {
    const what = 'everything is as it was written';
    const own: Observation = { type: 'over', key, what };
    return request.subject === 'all' ? [{ type: 'only', prefix: 'verify/', keys: [], what }] : [own];
  }
  if (result?.error?.code !== 'VERIFY_FAILED') return [];
  const { message, hint } = result.error;
  const subject = request.subject === 'all' ? 'the repository' : request.subject;
  const what = `${subject} is damaged`;
  return [{ type: 'holds', key, occurrence: { event: 'verify.failed', subject: request.subject, what, why: message, hint } }];
}

function retentionObservations({ phase, result }: Operation): readonly Observation[] {
  const upkeep = result?.summary['upkeep'] as UpkeepOutcome | undefined;
  return phase === 'Interrupted'
    ? []
    : [...deletionObservations(phase, result), ...(upkeep === undefined ? [] : upkeepObservations(upkeep))];
}

function deletionObservations(phase: OperationPhase, result: OperationResult | undefined): readonly Observation[] {
  const blocked = textOf(result?.summary['blocked']);
  if (blocked !== undefined) {
    const hint = 'look at holdfast retention plan; if it is right, run retention with --yes';
    const occurrence = { event: 'retention.blocked' as const, what: 'retention deleted nothing', why: blocked, hint };
    return [{ type: 'holds', key: 'retention', occurrence }];
  }
  const failed = Number(result?.summary['failed'] ?? 0);
  const { message: why = '', hint = '' } = result?.error ?? {};
  if (phase === 'Failed' || failed > 0) {
    const what = failed === 0 ? 'retention failed' : failed === 1 ? 'a set could not be deleted' : `${failed} sets could not be deleted`;
    return [{ type: 'holds', key: 'retention-failed', occurrence: { event: 'retention.failed', what, why, hint } }];
  }
  const what = 'retention runs again';
  return ['retention', 'retention-failed'].map(key => ({ type: 'over', key, what }));
}

/** What is damaged is looked at again by each upkeep, so that one that finds nothing there any more has found it mended, or gone. */
function upkeepObservations({ items, repositories }: UpkeepOutcome): readonly Observation[] {
  // Nothing could be looked at.
  if (repositories === 0) return [];
  const isDamaged = ({ code }: UpkeepItem): boolean => code === 'VOLUME_DATA_DAMAGED';
  const notDone = items.filter(({ state }) => state !== 'done').map(({ repository }) => `damage/${repository}`);
  const damage = items.filter(isDamaged).map(({ repository, reason }): KeyedObservation => {
    const { hint } = errorTable.VOLUME_DATA_DAMAGED;
    const occurrence = { event: 'volumes.damaged' as const, subject: repository, what: `${repository} is damaged`, why: reason, hint };
    return { type: 'holds', key: `damage/${repository}`, occurrence };
  });
  return [
    ...damage,
    { type: 'only', prefix: 'damage/', keys: notDone, what: 'what was damaged is whole again, or gone' },
    failedUpkeep(items.filter(item => item.state === 'failed' && !isDamaged(item))),
  ];
}

function failedUpkeep(failed: readonly UpkeepItem[]): KeyedObservation {
  const [first] = failed;
  if (first === undefined) return { type: 'over', key: 'upkeep', what: 'all repositories of volumes can be worked in again' };
  const what = failed.length === 1 ? `${first.repository} could not be worked in` : `${failed.length} repositories could not be worked in`;
  const hint = 'see the log of the operation: GET /api/v1/operations?kind=retention';
  return {
    type: 'holds',
    key: 'upkeep',
    occurrence: { event: 'volumes.upkeep-failed', what, why: `${first.repository}: ${first.reason}`, hint },
  };
}

/** All statuses at once: what is not among them any more is over. */
export function objectiveObservations(statuses: readonly ObjectiveStatus[]): readonly Observation[] {
  const seen = statuses.flatMap(status => [...objectiveOf(status, tierToTake(statuses, status)), ...overdueOf(status)]);
  const keys = seen.map(({ key }) => key);
  const backups = statuses.flatMap(({ policy, tier }) => (tier === undefined ? [] : [backupKey({ policy, tier })]));
  const what = 'it is not configured any more';
  return [
    ...seen,
    { type: 'only', prefix: 'objective/', keys, what },
    { type: 'only', prefix: 'overdue/', keys, what },
    { type: 'only', prefix: 'backup/', keys: backups, what },
  ];
}

type KeyedObservation = Exclude<Observation, { readonly type: 'only' }>;

/** Whose backup ends a breach: of a policy that of the first tier with the same newest set, since those of others may not count for it. */
function tierToTake(statuses: readonly ObjectiveStatus[], { policy, tier, lastComplete }: ObjectiveStatus): string {
  const tiers = statuses.filter(one => one.policy === policy && one.tier !== undefined);
  return tier ?? (tiers.find(one => one.lastComplete?.set === lastComplete?.set) ?? tiers[0])?.tier ?? policy;
}

function objectiveOf({ policy, tier, state, message, nextRun }: ObjectiveStatus, toTake: string): KeyedObservation[] {
  const key = ['objective', policy, ...(tier === undefined ? [] : [tier])].join('/');
  const about = { policy, ...(tier !== undefined && { tier }) };
  switch (state) {
    case 'met':
      return [{ type: 'over', key, what: message }];
    case 'unknown':
      return [{ type: 'over', key, what: 'nothing is promised, or nothing is known yet' }];
    case 'at-risk':
    case 'breached': {
      const next = nextRun === undefined ? 'no run is planned' : `the next run is planned for ${nextRun}`;
      const hint = `take a backup now (holdfast backup create --server <url> --tier ${toTake}), and see from the last operations why none came in time`;
      const event = state === 'breached' ? ('objective.breached' as const) : ('objective.at-risk' as const);
      const what = state === 'breached' ? 'an objective is breached' : 'an objective is at risk';
      return [{ type: 'holds', key, occurrence: { event, ...about, what, why: `${message}; ${next}`, hint } }];
    }
  }
}

/** Of tiers: a policy is late when a tier of it is. */
function overdueOf({ policy, tier, overdueSince }: ObjectiveStatus): KeyedObservation[] {
  if (tier === undefined) return [];
  const key = `overdue/${policy}/${tier}`;
  if (overdueSince === undefined) return [{ type: 'over', key, what: 'what was overdue has a set, or was called off' }];
  const occurrence = {
    ...{ event: 'schedule.overdue' as const, policy, tier, what: 'a backup is overdue' },
    why: `there is no set of the run of ${overdueSince}`,
    hint: `see whether a replica leads and what the last operations say: GET /api/v1/operations?kind=backup; a backup makes up for it: holdfast backup create --server <url> --tier ${tier}`,
  };
  return [{ type: 'holds', key, occurrence }];
}

export function missedObservation({ fire, deadline, attempts }: MissedFire): Observation {
  const { policy, tier, at } = fire;
  const tried = attempts === 0 ? 'it was never started' : `it was tried ${attempts === 1 ? 'once' : `${attempts} times`} without success`;
  const occurrence: Occurrence = {
    ...{ event: 'schedule.missed', policy, tier, what: `the run of ${at} was given up` },
    why: `it had to start by ${deadline}; ${tried}`,
    hint: `nothing makes up for it by itself: take a backup with holdfast backup create --server <url> --tier ${tier}, or wait for the next run`,
  };
  return { type: 'happened', key: `missed/${policy}/${tier}`, occurrence };
}

/** Undefined: the configuration is valid again. */
export function configObservation(error: HoldfastError | undefined): Observation {
  if (error === undefined) return { type: 'over', key: 'config', what: 'the configuration is valid again' };
  const { message: why, hint } = error;
  const what = 'the changed configuration is refused, and the one of before stays in force';
  return { type: 'holds', key: 'config', occurrence: { event: 'config.invalid', what, why, hint } };
}

/** `location`: as it may be shown. */
export function storeObservation(isReachable: boolean, location: string, error?: unknown): Observation {
  if (isReachable) return { type: 'over', key: 'store', what: `${location} answers again` };
  const why = isCode(error, 'STORE_UNREACHABLE', 'STORE_FORBIDDEN', 'STORE_BUCKET_MISSING', 'STORE_ERROR') ? error.message : '';
  const hint = 'check the endpoint of the location, its credentials, and the network to it';
  return {
    type: 'holds',
    key: 'store',
    occurrence: { event: 'store.unreachable', subject: location, what: `${location} does not answer`, why, hint },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
