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
  /** When the next run is expected to have ended; infinite where none is planned. */
  readonly nextEnd: number;
  readonly isOverdue: boolean;
}

/**
 * `breached`: the newest complete set is older than the objective, or there is none and the repository is not younger. `at-risk`: the next run
 * would end too late, or one is overdue and more than 80 % of the time is gone. With a run every day and an objective of 26 h, a set is 24 h
 * old each night before the next one: age alone is no risk.
 */
export function recoveryPoint({ objectiveMs, takenAt, now, madeAt, nextEnd, isOverdue }: RecoveryPointInput): ObjectiveState {
  if (objectiveMs === undefined) return 'unknown';
  if (takenAt === undefined) return madeAt !== undefined && madeAt <= now && now - madeAt <= objectiveMs ? 'unknown' : 'breached';
  const ageMs = now - takenAt;
  if (ageMs > objectiveMs) return 'breached';
  return nextEnd > takenAt + objectiveMs || (isOverdue && ageMs > warnShare * objectiveMs) ? 'at-risk' : 'met';
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
