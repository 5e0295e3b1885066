import type { Operation } from '../domain/operation.ts';
import type { NoticeEvent, SentNotice } from './notice.ts';

interface EventKind {
  readonly type: 'Normal' | 'Warning';
  /** What was being done, UpperCamelCase. */
  readonly action: string;
  readonly meaning: string;
}

/** All reasons of Kubernetes Events that the service writes. */
export const eventReasons = {
  BackupCompleted: { type: 'Normal', action: 'Backup', meaning: 'a complete set was made' },
  BackupPartiallyFailed: { type: 'Warning', action: 'Backup', meaning: 'a set lacks something that it should have' },
  BackupFailed: { type: 'Warning', action: 'Backup', meaning: 'a backup made no set' },
  RestoreStarted: { type: 'Normal', action: 'Restore', meaning: 'a restore began to write' },
  RestoreCompleted: { type: 'Normal', action: 'Restore', meaning: 'everything of the plan is back' },
  RestorePartiallyFailed: { type: 'Warning', action: 'Restore', meaning: 'some objects are not back' },
  RestoreFailed: { type: 'Warning', action: 'Restore', meaning: 'a restore failed, or was interrupted' },
  VerifyFailed: { type: 'Warning', action: 'Verify', meaning: 'what lies in the repository was damaged' },
  RetentionDeleted: { type: 'Normal', action: 'Retain', meaning: 'sets that have had their time were deleted' },
  BackupDeleted: { type: 'Normal', action: 'Retain', meaning: 'somebody had one set deleted' },
  RetentionBlocked: { type: 'Warning', action: 'Retain', meaning: 'more sets would be deleted than one run may delete' },
  RetentionFailed: { type: 'Warning', action: 'Retain', meaning: 'retention could not be run, or a set could not be deleted' },
  VolumesDamaged: { type: 'Warning', action: 'Retain', meaning: 'a check found damage in the repository of a volume' },
  VolumeUpkeepFailed: { type: 'Warning', action: 'Retain', meaning: 'repositories of volumes could not be worked in' },
  ScheduleOverdue: { type: 'Warning', action: 'Schedule', meaning: 'an hour after its time a run has no set' },
  ScheduleMissed: { type: 'Warning', action: 'Schedule', meaning: 'a run was given up at its starting deadline' },
  ObjectiveAtRisk: { type: 'Warning', action: 'Assess', meaning: 'an objective is likely to be missed' },
  ObjectiveBreached: { type: 'Warning', action: 'Assess', meaning: 'an objective is missed' },
  ObjectiveMet: { type: 'Normal', action: 'Assess', meaning: 'an objective is kept again' },
  ConfigInvalid: { type: 'Warning', action: 'Reload', meaning: 'the changed configuration is refused' },
  StoreUnreachable: { type: 'Warning', action: 'Watch', meaning: 'the location has not answered for two minutes' },
  StoreReachable: { type: 'Normal', action: 'Watch', meaning: 'the location answers again' },
  LeaderElected: { type: 'Normal', action: 'Lead', meaning: 'a replica began to lead' },
} as const satisfies Record<string, EventKind>;
export type EventReason = keyof typeof eventReasons;

export interface EventFact {
  readonly reason: EventReason;
  /** Of few values, such as a policy: repeated facts of one reason and topic become one Event. */
  readonly topic: string;
  /** For people, without secrets. */
  readonly note: string;
}

/** Of an operation whose phase has changed. */
export function operationFact({ request, phase, result }: Operation): EventFact | undefined {
  const { kind, subject, actor, parameters } = request;
  const set = result?.summary['set'];
  const about = typeof set === 'string' && set !== subject ? `${subject}: ${set}` : subject;
  const note = result?.error === undefined ? about : `${about}: ${result.error.message}`;
  const fact = (reason: EventReason, topic = subject): EventFact => ({ reason, topic, note });
  if (kind === 'backup') {
    if (phase === 'Completed') return fact('BackupCompleted');
    if (phase === 'PartiallyFailed') return fact('BackupPartiallyFailed');
    return phase === 'Failed' ? fact('BackupFailed') : undefined;
  }
  if (kind === 'restore' && parameters['dryRun'] !== true) {
    if (phase === 'Running') return fact('RestoreStarted', request.id);
    if (phase === 'Completed') return fact('RestoreCompleted', request.id);
    if (phase === 'PartiallyFailed') return fact('RestorePartiallyFailed', request.id);
    return phase === 'Failed' || phase === 'Interrupted' ? fact('RestoreFailed', request.id) : undefined;
  }
  if (kind === 'delete') {
    return phase === 'Completed' ? { reason: 'BackupDeleted', topic: 'deletion', note: `${subject}, by ${actor.name}` } : undefined;
  }
  const deleted = result?.summary['deleted'];
  if (kind !== 'retention' || typeof deleted !== 'number' || deleted === 0) return undefined;
  return { reason: 'RetentionDeleted', topic: 'retention', note: `${deleted} ${deleted === 1 ? 'set was' : 'sets were'} deleted` };
}

/** Backups and restores are told by their operations. */
const began: Partial<Record<NoticeEvent, EventReason>> = {
  'verify.failed': 'VerifyFailed',
  'retention.blocked': 'RetentionBlocked',
  'retention.failed': 'RetentionFailed',
  'volumes.damaged': 'VolumesDamaged',
  'volumes.upkeep-failed': 'VolumeUpkeepFailed',
  'schedule.overdue': 'ScheduleOverdue',
  'schedule.missed': 'ScheduleMissed',
  'objective.at-risk': 'ObjectiveAtRisk',
  'objective.breached': 'ObjectiveBreached',
  'config.invalid': 'ConfigInvalid',
  'store.unreachable': 'StoreUnreachable',
};
const recovered: Partial<Record<NoticeEvent, EventReason>> = {
  'objective.at-risk': 'ObjectiveMet',
  'objective.breached': 'ObjectiveMet',
  'store.unreachable': 'StoreReachable',
};

/** Of a notice, so that Events are no more often than these. Reminders are none. */
export function noticeFact({ event, state, policy, tier, subject, what, why }: SentNotice): EventFact | undefined {
  const reason = state === 'lasts' ? undefined : state === 'recovered' ? recovered[event] : began[event];
  if (reason === undefined) return undefined;
  const topic = [policy, tier].filter(name => name !== undefined).join('/') || (subject ?? event);
  return { reason, topic, note: [topic, what, why].filter(text => text !== '').join(': ') };
}
