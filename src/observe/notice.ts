export type NoticeGroup = 'failure' | 'recovery' | 'overdue' | 'objective-at-risk' | 'restore';

interface NoticeKind {
  /** By which a target chooses what it is told of. */
  readonly group: NoticeGroup;
  readonly severity: 'info' | 'warning' | 'error';
  /** `condition` lasts until it is over; `incident` happens once. */
  readonly form: 'condition' | 'incident';
  /** Told only when it has lasted this long, milliseconds. */
  readonly holdMs: number;
  /** Over only when it has been gone this long, milliseconds: what comes and goes is one condition. */
  readonly settleMs: number;
  readonly meaning: string;
}

const minute = 60_000;
const condition = { form: 'condition', holdMs: 0, settleMs: 5 * minute } as const;
const incident = { form: 'incident', holdMs: 0, settleMs: 0 } as const;

/** Everything that people are told of. */
export const noticeKinds = {
  'backup.failed': { ...condition, settleMs: 0, group: 'failure', severity: 'error', meaning: 'a backup made no set' },
  'backup.partially-failed': {
    ...{ ...condition, settleMs: 0, group: 'failure', severity: 'warning' },
    meaning: 'a set lacks something that it should have',
  },
  'backup.recovered': { ...incident, group: 'recovery', severity: 'info', meaning: 'the first complete set after one of the two above' },
  'schedule.overdue': { ...condition, group: 'overdue', severity: 'warning', meaning: 'an hour after its time a run has no set' },
  'schedule.missed': { ...incident, group: 'overdue', severity: 'error', meaning: 'a run was given up at its starting deadline' },
  'objective.at-risk': {
    ...{ ...condition, group: 'objective-at-risk', severity: 'warning' },
    meaning: 'an objective is likely to be missed',
  },
  'objective.breached': {
    ...{ ...condition, group: 'objective-at-risk', severity: 'error' },
    meaning: 'the newest complete set is older, or the last restore took longer, than promised',
  },
  'verify.failed': { ...condition, settleMs: 0, group: 'failure', severity: 'error', meaning: 'what lies in the repository was damaged' },
  'restore.ended': { ...incident, group: 'restore', severity: 'info', meaning: 'a restore has ended, however' },
  'retention.blocked': {
    ...{ ...condition, settleMs: 0, group: 'failure', severity: 'warning' },
    meaning: 'more sets would be deleted than one run may delete',
  },
  'retention.failed': {
    ...{ ...condition, settleMs: 0, group: 'failure', severity: 'error' },
    meaning: 'retention could not be run, or a set could not be deleted',
  },
  'volumes.damaged': {
    ...{ ...condition, settleMs: 0, group: 'failure', severity: 'error' },
    meaning: 'a check found damage in the repository of a volume',
  },
  'volumes.upkeep-failed': {
    ...{ ...condition, settleMs: 0, group: 'failure', severity: 'warning' },
    meaning: 'repositories of volumes could not be worked in',
  },
  'config.invalid': {
    ...{ ...condition, settleMs: 0, group: 'failure', severity: 'warning' },
    meaning: 'the changed configuration is refused; the one of before stays in force',
  },
  'store.unreachable': {
    ...{ ...condition, holdMs: 2 * minute, group: 'failure', severity: 'error' },
    meaning: 'the location has not answered for two minutes',
  },
} as const satisfies Record<string, NoticeKind>;
export type NoticeEvent = keyof typeof noticeKinds;
export type ConditionEvent = { [E in NoticeEvent]: (typeof noticeKinds)[E]['form'] extends 'condition' ? E : never }[NoticeEvent];

/** What can be said of an event, without when and whether it is told. Never a secret. */
export interface Occurrence {
  readonly event: NoticeEvent;
  readonly severity?: NoticeKind['severity'];
  readonly policy?: string;
  readonly tier?: string;
  /** The set, operation or location that it is about. */
  readonly subject?: string;
  /** One sentence. */
  readonly what: string;
  /** Empty where nothing is known. */
  readonly why: string;
  /** What to do now; empty where nothing is to be done. */
  readonly hint: string;
}

/** `began`, `lasts`, `recovered`: of a condition; `happened`: of an incident. */
export type NoticeState = 'began' | 'lasts' | 'recovered' | 'happened';

/** One thing that is told, the same to every target. */
export interface Notice extends Occurrence {
  readonly severity: NoticeKind['severity'];
  readonly state: NoticeState;
  /** RFC 3339, UTC. */
  readonly at: string;
  /** When the condition began. RFC 3339, UTC. */
  readonly since?: string;
  /** Further ones of the same kind that were not told one by one. */
  readonly more?: number;
}

/** A notice on its way: where it comes from, and by what a receiver knows a second delivery. */
export interface SentNotice extends Notice {
  /** 32 hex digits; the same at every attempt and every target. */
  readonly id: string;
  /** Name of the cluster that is protected. */
  readonly cluster: string;
}

export function groupOf({ event, state }: Pick<Notice, 'event' | 'state'>): NoticeGroup {
  return state === 'recovered' ? 'recovery' : noticeKinds[event].group;
}

const stateWords = { began: '', lasts: 'still: ', recovered: 'over: ', happened: '' } as const satisfies Record<NoticeState, string>;

/** `[prod] platform/daily: the backup failed`: the subject of a mail. One line. */
export function headlineOf({ cluster, policy, tier, state, what, event }: SentNotice): string {
  const about = [policy, tier].filter(name => name !== undefined).join('/');
  const words = event === 'backup.recovered' ? '' : stateWords[state];
  return `[${cluster}] ${about === '' ? '' : `${about}: `}${words}${what}`.replace(/\s+/g, ' ');
}

/** The whole notice for people, line by line; empty lines are left out. */
export function linesOf(notice: SentNotice): string[] {
  const { why, hint, subject, since, at, event, state, severity, more } = notice;
  return [
    headlineOf(notice),
    ...(why === '' ? [] : [`why: ${why}`]),
    ...(hint === '' || state === 'recovered' ? [] : [`what to do: ${hint}`]),
    ...(subject === undefined ? [] : [`about: ${subject}`]),
    ...(since === undefined || since === at ? [] : [`since: ${since}`]),
    ...(more === undefined ? [] : [`more of these since the last notice: ${more}`]),
    `${severity}, ${event}, ${at}`,
  ].map(line => line.replace(/\s+/g, ' '));
}
