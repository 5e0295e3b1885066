import { describe, expect, it } from 'vitest';
import { fire, policy, tier, utc } from '../../test/helpers/policies.ts';
import { set } from '../../test/helpers/retention-world.ts';
import type { Operation, OperationPhase, OperationResult } from '../domain/operation.ts';
import { decide } from '../schedule/due.ts';
import { firesCalledOff, scheduleHistory } from './history.ts';
import type { World } from './world.ts';

const daily = fire('daily', '2026-11-23T02:00');
const here = { uid: 'cluster-1', server: 'https://cluster-1' };
const there = { uid: 'cluster-2', server: 'https://cluster-2' };

interface Past {
  readonly operations?: readonly Operation[];
  readonly sets?: ReturnType<typeof set>[];
  /** When the cluster was made. */
  readonly since?: string;
}

/** A backup of the daily run that has ended. */
function ended(phase: OperationPhase, changes: { cluster?: typeof here; attempt?: number; at?: string; summary?: object } = {}): Operation {
  const { cluster, attempt = 1, at = '2026-11-23T02:10', summary = {} } = changes;
  const parameters = { policy: 'platform', tier: 'daily', fires: [daily], attempt };
  const request = { id: `${at}-backup-aaaa`, kind: 'backup', createdAt: utc(at), parameters, ...(cluster && { cluster }) };
  return { request, phase, result: { finishedAt: utc(at), summary } as OperationResult } as unknown as Operation;
}

const lost = (changes: Parameters<typeof ended>[1] = {}) => ended('Interrupted', { summary: { lost: true }, ...changes });

function worldOf({ operations = [], sets = [], since = '2025-01-01T00:00' }: Past): World {
  const list = async ({ phase, matches }: { phase: OperationPhase; matches: (operation: Operation) => boolean }) =>
    operations.filter(one => one.phase === phase && matches(one));
  return {
    catalog: { sets: () => sets },
    operations: { list, active: () => [] },
    repository: { info: { createdAt: utc('2026-01-01T00:00') } },
    runtime: { now: () => new Date(utc('2026-11-23T12:00')) },
    home: { identity: here, since: new Date(utc(since)) },
  } as unknown as World;
}

function historyOf(past: Past) {
  return scheduleHistory(worldOf(past))(new AbortController().signal);
}

async function runsAt(at: string, past: Past, initialBackup = false) {
  const policies = [policy([tier('daily', '0 2 * * *')], { initialBackup })];
  const { runs } = decide({ policies, history: await historyOf(past), now: new Date(utc(at)), clusterId: 'c1' });
  return runs.map(({ fires, attempt }) => ({ fires, attempt }));
}

it('a scheduled run that somebody called off is not tried again, and one that failed is', async () => {
  const failed = { operations: [ended('Failed')] };
  const cancelled = { operations: [ended('Cancelled')] };
  expect(await runsAt('2026-11-23T03:00', failed)).toEqual([{ fires: [daily], attempt: 2 }]);
  expect(await runsAt('2026-11-23T03:00', cancelled)).toEqual([]);
  expect(await runsAt('2026-11-24T02:00', cancelled)).toEqual([{ fires: [fire('daily', '2026-11-24T02:00')], attempt: 1 }]);
});

describe('another cluster in the same repository', () => {
  it('has its own runs: neither its sets nor what became of its backups counts here', async () => {
    const ofOther = set(utc('2026-11-23T02:00'), 'daily', { cluster: { ...there, version: 'v1.37.2' } });
    const own = set(utc('2026-11-23T02:00'), 'daily');
    const due = [{ fires: [daily], attempt: 1 }];
    expect(await runsAt('2026-11-23T02:05', { sets: [own] })).toEqual([]);
    expect(await runsAt('2026-11-23T02:05', { sets: [ofOther] })).toEqual(due);
    expect(await runsAt('2026-11-23T02:11', { operations: [ended('Failed', { cluster: here })] })).toEqual([]);
    for (const phase of ['Failed', 'Cancelled'] as const) {
      expect(await runsAt('2026-11-23T02:11', { operations: [ended(phase, { cluster: there })] })).toEqual(due);
    }
  });

  it('that is replaced leaves the new one its first backup, and nothing of what was due before it was made', async () => {
    const past = {
      since: '2026-11-23T10:00',
      sets: [set(utc('2026-11-22T02:00'), 'daily', { cluster: { ...there, version: 'v1.37.2' } })],
    };
    expect(await runsAt('2026-11-23T11:00', past, true)).toEqual([{ fires: [fire('daily', '2026-11-23T10:00')], attempt: 1 }]);
    expect(await runsAt('2026-11-23T11:00', past)).toEqual([]);
    const { missed } = decide({
      ...{ policies: [policy([tier('daily', '0 2 * * *')])], history: await historyOf(past), clusterId: 'c1' },
      now: new Date(utc('2026-11-23T23:00')),
    });
    expect(missed).toEqual([]);
  });
});

describe('a run whose process ended in its middle', () => {
  const first = lost();
  const second = lost({ at: '2026-11-23T02:20' });
  const third = lost({ at: '2026-11-23T02:30', attempt: 2 });

  it('is made up for at once, the first time', async () => {
    expect(await runsAt('2026-11-23T02:11', { operations: [first] })).toEqual([{ fires: [daily], attempt: 1 }]);
  });

  it('is tried again with growing delay when that ends the process, too', async () => {
    expect(await runsAt('2026-11-23T02:24', { operations: [second, first] })).toEqual([]);
    expect(await runsAt('2026-11-23T02:25', { operations: [second, first] })).toEqual([{ fires: [daily], attempt: 2 }]);
    expect(await runsAt('2026-11-23T02:39', { operations: [third, second, first] })).toEqual([]);
    expect(await runsAt('2026-11-23T02:40', { operations: [first, second, third] })).toEqual([{ fires: [daily], attempt: 3 }]);
  });

  it('counts with those that failed', async () => {
    const operations = [ended('Failed'), lost({ at: '2026-11-23T02:20', attempt: 2 }), lost({ at: '2026-11-23T02:30', attempt: 2 })];
    expect(await runsAt('2026-11-23T02:39', { operations })).toEqual([]);
    expect(await runsAt('2026-11-23T02:40', { operations })).toEqual([{ fires: [daily], attempt: 3 }]);
  });

  it('does not count where the service was stopped in order', async () => {
    const stopped = ended('Interrupted', { at: '2026-11-23T02:20' });
    expect(await runsAt('2026-11-23T02:21', { operations: [stopped, ended('Interrupted')] })).toEqual([{ fires: [daily], attempt: 1 }]);
  });
});

it('what somebody called off is told of our own cluster alone', async () => {
  const firesOf = (...operations: Operation[]) => firesCalledOff(worldOf({ operations }), new AbortController().signal);
  expect(await firesOf(ended('Cancelled', { cluster: here }), ended('Failed'))).toEqual([daily]);
  expect(await firesOf(ended('Cancelled', { cluster: there }))).toEqual([]);
});
