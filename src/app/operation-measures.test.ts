import { expect, it } from 'vitest';
import { policy, tier } from '../../test/helpers/policies.ts';
import type { Operation } from '../domain/operation.ts';
import { createMetrics, type Standing } from '../observe/metrics.ts';
import { measureOperation } from './operation-measures.ts';

const at = '2026-11-23T02:00:00.000Z';
const policies = [policy([tier('daily', '0 2 * * *'), tier('weekly', '0 2 * * 0')])];
const standing: Standing = {
  ...{ leading: true, storeReachable: true, clusterReachable: true, ledgerEntries: 0, policies: [], sets: [], running: {} },
  tiers: ['daily', 'weekly'].map(name => ({ policy: 'platform', tier: name, overdue: false })),
};

/** A backup that has ended, some of whose claims failed. */
function backup(parameters: Record<string, unknown>, failed: number): Operation {
  const volumes = { claims: 4, snapshotted: 0, moved: 4 - failed, notProtected: 0, failed, bytes: 1, addedBytes: 1, failures: {} };
  const request = { id: 'o', kind: 'backup', subject: '', actor: { name: 'x', via: 'api' }, createdAt: at, parameters } as const;
  const result = { id: 'o', phase: 'Completed', startedAt: at, finishedAt: '2026-11-23T02:00:08.000Z', summary: { volumes } } as const;
  return { request, phase: 'Completed', startedAt: at, result } as unknown as Operation;
}

async function seriesAfter(...operations: Operation[]): Promise<string[]> {
  const metrics = createMetrics(() => standing, '1.2.3');
  for (const operation of operations) measureOperation(operation, metrics, policies);
  return (await metrics.metrics()).split('\n');
}

const fires = ['daily', 'weekly'].map(name => ({ policy: 'platform', tier: name, at }));
const scheduled = backup({ policy: 'platform', tier: 'weekly', fires }, 1);

it('the volumes of a tier are those of its runs, of each that a set stands for, whatever somebody has asked for since', async () => {
  const failed = (lines: string[]) =>
    lines.filter(line => line.startsWith('holdfast_volume_claims') && line.includes('state="failed"')).toSorted();
  const both = ['daily', 'weekly'].map(name => `holdfast_volume_claims{policy="platform",tier="${name}",state="failed"} 1`);
  expect(failed(await seriesAfter(scheduled))).toEqual(both);
  expect(failed(await seriesAfter(scheduled, backup({ policy: 'platform', tier: 'daily' }, 0)))).toEqual(both);
  expect(failed(await seriesAfter(backup({ policy: 'platform', tier: 'daily' }, 4)))).toEqual([]);
});

it('backups that are called anything make one series', async () => {
  const called = ['one', 'two', 'three'].map(name => backup({ tier: name }, 0));
  const counts = (await seriesAfter(scheduled, ...called, backup({ tier: 'manual' }, 0))).filter(line =>
    line.startsWith('holdfast_backup_duration_seconds_count'),
  );
  expect(counts.toSorted()).toEqual([
    'holdfast_backup_duration_seconds_count{policy="",tier="manual"} 1',
    'holdfast_backup_duration_seconds_count{policy="",tier="other"} 3',
    'holdfast_backup_duration_seconds_count{policy="platform",tier="weekly"} 1',
  ]);
});
