import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../../test/cluster/wait.ts';
import { makeRepository, type TestRepository } from '../../test/contract/repository-fixture.ts';
import { refusingLedger } from '../../test/helpers/refusing-ledger.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import type { EndedPhase, Operation, OperationKind } from '../domain/operation.ts';
import { recordEnd, tellOfEnds } from './told-ends.ts';
import { recordFirst, type World } from './world.ts';

const actor = { name: 'alice', via: 'api' } as const;
const started = (operation: string): LedgerFact => ({ action: 'restore.started', actor, subject: 's1', details: { operation } });
const ended = (operation: string) =>
  ({ action: 'restore.ended', actor, subject: 's1', details: { operation, phase: 'Completed' } }) as const;
const since = new Date(0);
const signal = new AbortController().signal;

function operation(kind: OperationKind, id: string, phase: EndedPhase): Operation {
  const at = new Date().toISOString();
  const result = { id, phase, startedAt: at, finishedAt: at, summary: { durationMs: 5 } };
  return { request: { id, kind, subject: 's1', actor, createdAt: at, parameters: { tier: 'daily' } }, phase, startedAt: at, result };
}

describe('what must be in the ledger', () => {
  let location: TestRepository;
  let refusals: number;
  let known: Operation[];
  beforeEach(async () => {
    location = await makeRepository();
    [refusals, known] = [0, []];
  });
  afterEach(() => location.remove());

  /** A leader whose store refuses so many times to take what it is given. */
  function lead() {
    const { ledger, runtime } = refusingLedger(location, () => refusals-- > 0);
    const operations = {
      list: async ({ kind, phase }: { kind: OperationKind; phase?: EndedPhase }) =>
        known.filter(one => one.request.kind === kind && (phase === undefined || one.phase === phase)),
    };
    const term = { signal, fence: { check: () => {} } };
    const world = { ledger, operations, runtime, log: { error: () => {} }, term: () => term } as unknown as World;
    const told = async () => (await ledger.read({ limit: 100 })).map(({ action, details }) => `${action} ${details['operation']}`);
    return { world, told };
  }

  it('is there before a restore writes anything, or the restore is refused with the reason', async () => {
    const { world, told } = lead();
    refusals = 1;
    await expect(recordFirst(world, started('r1'))).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringMatching(/the ledger could not be told \(restore\.started\), so nothing was done: .*away/),
    });
    expect(await told()).toEqual([]);
    await recordFirst(world, started('r1'));
    expect(await told()).toEqual(['restore.started r1']);
  });

  it('is told of an end as soon as the store is there again, once', async () => {
    const { world, told } = lead();
    refusals = 3;
    await recordEnd(world, ended('r1'));
    await waitFor('the end is told', async () => (await told()).length === 1, { timeoutMs: 60_000, intervalMs: 10 });
    expect(await told()).toEqual(['restore.ended r1']);
  });

  it('is told by the next leader of ends that it does not name, and of no restore that never began', async () => {
    const { world, told } = lead();
    for (const id of ['r1', 'r2', 'r3']) await recordFirst(world, started(id));
    await recordEnd(world, ended('r1'));
    known = [
      operation('restore', 'r1', 'Completed'),
      operation('restore', 'r2', 'PartiallyFailed'),
      operation('restore', 'never-began', 'Failed'),
      operation('backup', 'b1', 'Failed'),
      operation('backup', 'b2', 'Completed'),
    ];
    const next = lead();
    await tellOfEnds(next.world, { since, signal });
    await tellOfEnds(next.world, { since, signal });
    expect((await told()).slice(0, 2).sort()).toEqual(['backup.failed b1', 'restore.ended r2']);
    expect(await told()).toHaveLength(6);
    const [last] = await next.world.ledger.read({ limit: 1, action: 'restore.ended' });
    expect(last?.details).toMatchObject({ operation: 'r2', phase: 'PartiallyFailed', durationMs: 5, toldLater: true });
  });
});
