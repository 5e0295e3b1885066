import { expect, it } from 'vitest';
import { fire, policy, tier, utc } from '../../test/helpers/policies.ts';
import type { Operation, OperationPhase } from '../domain/operation.ts';
import { decide } from '../schedule/due.ts';
import { scheduleHistory } from './history.ts';
import type { World } from './world.ts';

const daily = fire('daily', '2026-11-23T02:00');

function historyWith(phase: OperationPhase) {
  const request = {
    id: '20261123T020000Z-backup-aaaa',
    kind: 'backup',
    parameters: { policy: 'platform', tier: 'daily', fires: [daily], attempt: 1 },
  };
  const operation = { request, phase, result: { finishedAt: utc('2026-11-23T02:10') } } as unknown as Operation;
  const world = {
    catalog: { sets: () => [] },
    operations: { list: async (query: { phase: OperationPhase }) => (query.phase === phase ? [operation] : []), active: () => [] },
    repository: { info: { createdAt: utc('2026-01-01T00:00') } },
  } as unknown as World;
  return scheduleHistory(world)(new AbortController().signal);
}

it('a scheduled run that somebody called off is not tried again, and one that failed is', async () => {
  const policies = [policy([tier('daily', '0 2 * * *')])];
  const runsAt = async (phase: OperationPhase, at: string) =>
    decide({ policies, history: await historyWith(phase), now: new Date(utc(at)), clusterId: 'c1' }).runs.map(({ fires }) => fires);
  expect(await runsAt('Failed', '2026-11-23T03:00')).toEqual([[daily]]);
  expect(await runsAt('Cancelled', '2026-11-23T03:00')).toEqual([]);
  expect(await runsAt('Cancelled', '2026-11-24T02:00')).toEqual([[fire('daily', '2026-11-24T02:00')]]);
});
