import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeRepository, type TestRepository } from '../../test/contract/repository-fixture.ts';
import { refusingLedger } from '../../test/helpers/refusing-ledger.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { MissedFire } from '../schedule/due.ts';
import { tellOfMissed } from './missed.ts';
import type { World } from './world.ts';

const fire = { policy: 'platform', tier: 'daily', at: '2026-11-20T02:00:00.000Z' };
const missed: MissedFire = { fire, deadline: '2026-11-20T08:00:00.000Z', attempts: 2 };
const other: MissedFire = { ...missed, fire: { ...fire, tier: 'weekly' } };

describe('a run that was given up', () => {
  let location: TestRepository;
  let people: MissedFire[];
  let refusals: number;
  beforeEach(async () => {
    location = await makeRepository();
    [people, refusals] = [[], 0];
  });
  afterEach(() => location.remove());

  /** A service that begins to lead, and whose store refuses so many times to take what it is given. */
  function begin(fence: () => void = () => {}) {
    const { ledger, runtime } = refusingLedger(location, () => refusals-- > 0);
    const world = { ledger, runtime, log: { error: () => {} }, term: () => ({ fence: { check: fence } }) } as unknown as World;
    const telling = { signal: AbortSignal.timeout(10_000), onMissed: (one: MissedFire) => void people.push(one) };
    return { tell: (one: MissedFire) => tellOfMissed(world, one, telling), told: () => ledger.read({ limit: 100 }) };
  }

  it('is told to the ledger and to people once, whoever begins to lead afterwards', async () => {
    for (const life of [begin(), begin(), begin()]) await life.tell(missed);
    const { tell, told } = begin();
    await tell(other);
    expect(people).toEqual([missed, other]);
    expect(await told()).toMatchObject([
      { action: 'schedule.missed', subject: 'platform/weekly' },
      { action: 'schedule.missed', subject: 'platform/daily', details: { at: fire.at, deadline: missed.deadline, attempts: 2 } },
    ]);
  });

  it('is told when the store is there again', async () => {
    refusals = 2;
    await begin().tell(missed);
    expect([people, refusals]).toEqual([[missed], -1]);
  });

  it('is left to the next leader by one that does not lead any more', async () => {
    const lost = () => {
      throw new HoldfastError('NOT_LEADER', 'another replica leads');
    };
    await begin(lost).tell(missed);
    expect(people).toEqual([]);
    await begin().tell(missed);
    expect(people).toEqual([missed]);
  });

  it('is told to people although the ledger is damaged', async () => {
    await begin().tell(other);
    const { store } = location.repository;
    await store.delete('ledger/00000001.json');
    await store.put('ledger/00000001.json', Buffer.from('{}\n{}\n'));
    await begin().tell(missed);
    expect(people).toEqual([other, missed]);
  });
});
