import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../domain/errors.ts';
import type { Operation, OperationKind, OperationPhase, OperationResult } from '../domain/operation.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import { noticeFact, operationFact } from './event-reasons.ts';
import { configObservation, missedObservation, objectiveObservations, operationObservations, storeObservation } from './notice-sources.ts';
import { type NoticeMemory, type Observation, observe } from './notice-state.ts';

const at = '2026-11-23T02:00:00.000Z';
const fires = [
  { policy: 'platform', tier: 'daily', at },
  { policy: 'platform', tier: 'weekly', at },
];
const failure = { code: 'STORE_FULL', message: 'no space left', hint: 'free space' } as const;

function operation(
  kind: OperationKind,
  phase: OperationPhase,
  parameters: Record<string, unknown> = {},
  result: Partial<OperationResult> = {},
  subject = 'platform/weekly',
): Operation {
  const request = {
    id: '20261123T020000Z-x-k3f9',
    kind,
    subject,
    actor: { name: 'alice', via: 'api' as const },
    createdAt: at,
    parameters,
  };
  if (phase === 'Pending' || phase === 'Running') return { request, phase };
  return { request, phase, result: { id: request.id, phase, startedAt: at, finishedAt: at, summary: {}, ...result } };
}
const scheduled = (phase: OperationPhase, result: Partial<OperationResult> = {}) =>
  operation('backup', phase, { policy: 'platform', tier: 'weekly', fires }, result);

/** What is told when these are seen one after the other, a minute apart. */
function told(...observed: readonly (readonly Observation[])[]): string[] {
  let memory: NoticeMemory = {};
  return observed.flatMap((observations, index) => {
    const step = observe(memory, observations, new Date(Date.parse(at) + index * 60_000));
    memory = step.memory;
    return step.notices.map(({ event, state, policy, tier }) => [event, state, policy, tier].filter(Boolean).join(' '));
  });
}

describe('backups', () => {
  it('that fail are told with the set, the reason and what to do, and are over with the next complete set of any run that stands for them', () => {
    const [failed] = operationObservations(scheduled('Failed', { error: failure }));
    expect(failed).toMatchObject({
      occurrence: { event: 'backup.failed', policy: 'platform', tier: 'weekly', why: 'no space left', hint: 'free space' },
    });
    const good = scheduled('Completed', { summary: { set: 's1' } });
    expect(told([failed!], operationObservations(good), operationObservations(good))).toEqual([
      'backup.failed began platform weekly',
      'backup.recovered recovered platform weekly',
    ]);
  });

  it('that lack something are told, and told as worse when they fail', () => {
    const partly = operationObservations(scheduled('PartiallyFailed', { summary: { set: 's1', problems: 3 } }));
    expect(partly).toMatchObject([{ occurrence: { what: 'a backup lacks 3 things that it should have', subject: 's1' } }]);
    expect(told(partly, operationObservations(scheduled('Failed')))).toEqual([
      'backup.partially-failed began platform weekly',
      'backup.failed began platform weekly',
    ]);
  });

  it('on demand are told once: nobody repeats them', () => {
    const asked = operation('backup', 'Failed', { tier: 'manual' });
    expect(told(operationObservations(asked), operationObservations(asked))).toEqual(['backup.failed happened manual']);
    expect(operationObservations(operation('backup', 'Completed', { tier: 'manual' }))).toEqual([]);
  });

  it('that go on, were cancelled, or are taken up by the next leader are no news', () => {
    for (const phase of ['Pending', 'Running', 'Cancelled', 'Interrupted'] as const) {
      expect(operationObservations(scheduled(phase)), phase).toEqual([]);
    }
  });
});

describe('other operations', () => {
  it('restores are told when they end, each by itself, plans never', () => {
    const ended = operationObservations(operation('restore', 'PartiallyFailed', {}, { error: failure }, 's1'));
    expect(ended).toMatchObject([{ type: 'happened', occurrence: { event: 'restore.ended', severity: 'warning', subject: 's1' } }]);
    expect(operationObservations(operation('restore', 'Completed', { dryRun: true }))).toEqual([]);
  });

  it('damage is over when the same, or everything, was found sound', () => {
    const error = { code: 'VERIFY_FAILED', message: 's1: digest differs', hint: 'use another' } as const;
    const damaged = operationObservations(operation('verify', 'Failed', {}, { error }, 's1'));
    const all = operationObservations(operation('verify', 'Completed', {}, {}, 'all'));
    expect(told(damaged, operationObservations(operation('verify', 'Failed', {}, { error: failure }, 's1')), all)).toEqual([
      'verify.failed began',
      'verify.failed recovered',
    ]);
  });

  it('retention that fails, or cannot delete a set, is told until it can', () => {
    const error = { ...failure, message: 's1: no space left' };
    const steps = [
      operation('retention', 'PartiallyFailed', {}, { summary: { failed: 2 }, error }),
      operation('retention', 'Interrupted', {}, { error }),
      operation('retention', 'Failed', {}, { error }),
      operation('retention', 'Completed'),
    ].map(operationObservations);
    expect(steps[0]).toMatchObject([{ occurrence: { what: '2 sets could not be deleted', why: 's1: no space left', hint: 'free space' } }]);
    expect(told(...steps)).toEqual(['retention.failed began', 'retention.failed recovered']);
  });

  it('damage of a volume’s repository is told for itself, until an upkeep finds it whole or gone, and other trouble of repositories once', () => {
    const item = (of: string, code?: string) => ({
      ...{ repository: `volumes/a/${of}/`, forgotten: 0, reason: code === undefined ? '' : 'bad' },
      ...(code === undefined ? { state: 'done' } : { state: 'failed', code }),
    });
    const upkeep = (...items: readonly object[]) =>
      operationObservations(
        operation('retention', 'PartiallyFailed', {}, { summary: { failed: 0, upkeep: { items, repositories: 3, notices: [] } } }),
      );
    const [one, two] = ['one', 'two'].map(name => item(name, 'VOLUME_DATA_DAMAGED'));
    const away = item('three', 'STORE_UNREACHABLE');
    const unseen = operationObservations(
      operation('retention', 'Completed', {}, { summary: { upkeep: { items: [], repositories: 0, notices: ['it is away'] } } }),
    );
    expect(upkeep(one!).find(({ type }) => type === 'holds')).toMatchObject({
      occurrence: { event: 'volumes.damaged', subject: 'volumes/a/one/', why: 'bad', hint: expect.stringContaining('restic repair') },
    });
    expect(told(upkeep(one!, two!), upkeep(one!, two!, away), unseen, upkeep(item('one'), item('two', 'MOVER_FAILED')), upkeep())).toEqual([
      'volumes.damaged began',
      'volumes.damaged began',
      'volumes.upkeep-failed began',
      'volumes.damaged recovered',
      'volumes.damaged recovered',
      'volumes.upkeep-failed recovered',
    ]);
  });

  it('retention that may not delete is told until it may', () => {
    const blocked = operation('retention', 'PartiallyFailed', {}, { summary: { blocked: '9 of 12 sets would go' } });
    expect(told(operationObservations(blocked), operationObservations(operation('retention', 'Completed')))).toEqual([
      'retention.blocked began',
      'retention.blocked recovered',
    ]);
  });
});

const status = (changes: Partial<ObjectiveStatus>): ObjectiveStatus => ({
  ...{ policy: 'platform', objectives: {}, state: 'met', message: 'platform is protected', notProtected: [] },
  ...changes,
});

describe('objectives', () => {
  it('that are missed name the backup that would end it: of a policy that of its first tier', () => {
    const seen = objectiveObservations([
      status({ state: 'breached' }),
      status({ tier: 'daily' }),
      status({ tier: 'monthly', state: 'at-risk' }),
    ]);
    const hints = seen.flatMap(one => (one.type === 'holds' ? [one.occurrence.hint] : []));
    expect(hints.map(hint => /--tier (\w+)/.exec(hint)?.[1])).toEqual(['daily', 'monthly']);
  });

  it('of a policy name a backup that counts for it', () => {
    const [old, young] = ['s1', 's2'].map(set => ({ set, at }));
    const [seen] = objectiveObservations([
      status({ state: 'breached', lastComplete: old! }),
      status({ tier: 'hourly', lastComplete: young! }),
      status({ tier: 'daily', lastComplete: old! }),
    ]);
    expect(seen).toMatchObject({ occurrence: { hint: expect.stringContaining('--tier daily)') } });
  });

  it('are told when they are at risk, when they are breached, and when they are met again', () => {
    const steps = (['met', 'at-risk', 'breached', 'breached', 'met'] as const).map(state => objectiveObservations([status({ state })]));
    expect(told(...steps, [], [], [], [], [], [])).toEqual([
      'objective.at-risk began platform',
      'objective.breached began platform',
      'objective.breached recovered platform',
    ]);
  });

  it('say why, by the verdict, and when the next run is', () => {
    const [one] = objectiveObservations([status({ state: 'breached', message: 'platform is not protected: …', nextRun: at })]);
    expect(one).toMatchObject({ occurrence: { why: `platform is not protected: …; the next run is planned for ${at}` } });
  });

  it('are over with their policy', () => {
    const before = objectiveObservations([status({ state: 'breached' }), status({ tier: 'daily', overdueSince: at })]);
    const failed = operationObservations(scheduled('Failed'));
    const after = [before, failed, objectiveObservations([]), [], [], [], [], [], []];
    expect(told(...after).toSorted()).toEqual([
      'backup.failed began platform weekly',
      'backup.recovered recovered platform weekly',
      'objective.breached began platform',
      'objective.breached recovered platform',
      'schedule.overdue began platform daily',
      'schedule.overdue recovered platform daily',
    ]);
  });

  it('leave a failed backup of a tier that is still there alone', () => {
    const failed = operationObservations(scheduled('Failed'));
    expect(told(failed, objectiveObservations([status({}), status({ tier: 'weekly' })]), [], [])).toHaveLength(1);
  });
});

describe('the rest', () => {
  it('tells of missed runs, of a wrong configuration, and of a location that is away for long', () => {
    const missed = missedObservation({ fire: fires[0]!, deadline: at, attempts: 2 });
    expect(missed).toMatchObject({ occurrence: { why: expect.stringContaining('it was tried 2 times without success') } });
    const wrong = configObservation(new HoldfastError('CONFIG_INVALID', 'holdfast.yaml:3: no such key'));
    const away = storeObservation(false, 's3://b', new HoldfastError('STORE_UNREACHABLE', 'ECONNREFUSED'));
    const back = storeObservation(true, 's3://b');
    expect(told([missed, wrong, away], [away], [away], [away], [configObservation(undefined), back], [], [], [], [], [])).toEqual([
      'schedule.missed happened platform daily',
      'config.invalid began',
      'store.unreachable began',
      'config.invalid recovered',
      'store.unreachable recovered',
    ]);
  });
});

describe('Events', () => {
  it('are made of phases of backups and restores', () => {
    const reason = (one: Operation) => operationFact(one)?.reason;
    expect(reason(scheduled('Completed'))).toBe('BackupCompleted');
    expect(reason(scheduled('PartiallyFailed'))).toBe('BackupPartiallyFailed');
    expect(operationFact(scheduled('Failed', { error: failure }))).toEqual({
      ...{ reason: 'BackupFailed', topic: 'platform/weekly', note: 'platform/weekly: no space left' },
    });
    expect([scheduled('Running'), scheduled('Interrupted'), operation('restore', 'Running', { dryRun: true })].map(reason)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const restore = (['Running', 'Completed', 'PartiallyFailed', 'Failed', 'Interrupted'] as const).map(phase =>
      reason(operation('restore', phase)),
    );
    expect(restore).toEqual(['RestoreStarted', 'RestoreCompleted', 'RestorePartiallyFailed', 'RestoreFailed', 'RestoreFailed']);
    expect(operationFact(operation('retention', 'Completed', {}, { summary: { deleted: 2 } }))?.note).toBe('2 sets were deleted');
    expect(reason(operation('retention', 'Completed', {}, { summary: { deleted: 0 } }))).toBeUndefined();
    expect(reason(operation('delete', 'Completed'))).toBe('BackupDeleted');
    expect(reason(operation('delete', 'Failed'))).toBeUndefined();
  });

  it('are made of notices, but of no reminder, and of nothing that an operation tells', () => {
    const notice = { id: '', cluster: 'prod', severity: 'error', at, what: 'an objective is breached', why: 'old', hint: '' } as const;
    const fact = (event: 'objective.breached' | 'backup.failed', state: 'began' | 'lasts' | 'recovered') =>
      noticeFact({ ...notice, event, state, policy: 'platform' });
    expect(fact('objective.breached', 'began')).toEqual({
      ...{ reason: 'ObjectiveBreached', topic: 'platform', note: 'platform: an objective is breached: old' },
    });
    expect(fact('objective.breached', 'recovered')?.reason).toBe('ObjectiveMet');
    expect([fact('objective.breached', 'lasts'), fact('backup.failed', 'began')]).toEqual([undefined, undefined]);
  });
});
