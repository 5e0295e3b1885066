/** `unknown`: nothing was promised, or nothing is known yet. */
export const objectiveStates = ['met', 'at-risk', 'breached', 'unknown'] as const;
export type ObjectiveState = (typeof objectiveStates)[number];

/** From this share of an objective on, nothing more may go wrong. */
export const warnShare = 0.8;

export interface RecoveryPointInput {
  /** Milliseconds; undefined where nothing was promised. */
  readonly objectiveMs: number | undefined;
  /** Start of the newest complete set, milliseconds since 1970; undefined where there is none. */
  readonly takenAt: number | undefined;
  readonly now: number;
  /** When the repository was made; undefined where nobody knows. */
  readonly madeAt: number | undefined;
  /** The times of runs that may be at work, in any order. */
  readonly atWork: readonly number[];
  /** The time of the next run; undefined where none is planned. */
  readonly planned: number | undefined;
  /** How long a run takes. */
  readonly tookMs: number;
  readonly isOverdue: boolean;
}

/**
 * `breached`: the newest complete set is older than the objective, or there is none and the repository is not younger. `at-risk`: a run to come
 * would end too late, or one is overdue and more than 80 % of the time is gone. With a run every day and an objective of 26 h, a set is 24 h
 * old each night before the next one: age alone is no risk.
 */
export function recoveryPoint(input: RecoveryPointInput): ObjectiveState {
  const { objectiveMs, takenAt, now, madeAt, isOverdue } = input;
  if (objectiveMs === undefined) return 'unknown';
  if (takenAt === undefined) return madeAt !== undefined && madeAt <= now && now - madeAt <= objectiveMs ? 'unknown' : 'breached';
  const ageMs = now - takenAt;
  if (ageMs > objectiveMs) return 'breached';
  return isLate(takenAt, objectiveMs, input) || (isOverdue && ageMs > warnShare * objectiveMs) ? 'at-risk' : 'met';
}

/**
 * Does a run end after what was there before it is too old? One that is at work will be a set of its time, and has to do until the next one has
 * ended: while it is at work the promise is as good as when its set is there, and no better.
 */
function isLate(takenAt: number, objectiveMs: number, { atWork, planned = Number.POSITIVE_INFINITY, tookMs }: RecoveryPointInput): boolean {
  let newest = takenAt;
  for (const at of [...atWork.toSorted((a, b) => a - b), planned]) {
    if (at + tookMs > newest + objectiveMs) return true;
    newest = Math.max(newest, at);
  }
  return false;
}

/** How the last measured restore compares, milliseconds. */
export function recoveryTime(objectiveMs: number | undefined, lastMs: number | undefined): ObjectiveState {
  if (objectiveMs === undefined || lastMs === undefined) return 'unknown';
  if (lastMs > objectiveMs) return 'breached';
  return lastMs > warnShare * objectiveMs ? 'at-risk' : 'met';
}

const badness = { unknown: 0, met: 1, 'at-risk': 2, breached: 3 } as const satisfies Record<ObjectiveState, number>;

/** Of two objectives the one that is kept less; what is unknown says nothing. */
export function worse(one: ObjectiveState, other: ObjectiveState): ObjectiveState {
  return badness[one] >= badness[other] ? one : other;
}
