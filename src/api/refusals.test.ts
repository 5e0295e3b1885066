import { describe, expect, it } from 'vitest';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { createRefusals } from './refusals.ts';
import type { Refusal } from './service.ts';

function ledger() {
  const told: Refusal[] = [];
  const time = manualTime();
  const refusals = createRefusals(refusal => told.push(refusal), time);
  const tell = (name: string, request = 'GET /') => refusals.tell({ name, via: 'api' }, request, 'REQUEST_FORBIDDEN', 'no role');
  return { told, refusals, tell, pass: time.advance, sleeping: time.sleeping };
}
const sum = (told: readonly Refusal[]) => told.reduce((all, { count }) => all + count, 0);

describe('refusals', () => {
  it('are told at once, and repetitions as a count when the minute is over, whether or not another one comes', async () => {
    const { told, tell, pass } = ledger();
    for (let i = 0; i < 10_000; i++) tell('eve');
    tell('eve', 'POST /');
    tell('bob');
    expect(told.map(({ actor, count }) => [actor.name, count])).toEqual([
      ['eve', 1],
      ['eve', 1],
      ['bob', 1],
    ]);
    await pass(60_000);
    expect(told.slice(3)).toMatchObject([{ actor: { name: 'eve' }, request: 'GET /', count: 9_999 }]);
    tell('eve');
    tell('eve');
    await pass(60_000);
    expect(told.slice(4)).toMatchObject([{ count: 1 }, { count: 1 }]);
  });

  it('of ever new names cannot fill the ledger, and none is forgotten', async () => {
    const { told, tell, pass } = ledger();
    for (let i = 0; i < 5_000; i++) tell(`name-${i}`);
    expect(told).toHaveLength(100);
    await pass(60_000);
    expect(told.at(-1)).toMatchObject({ actor: { name: 'several' }, count: 4_900 });
    expect(sum(told)).toBe(5_000);
  });

  it('are told to the last when the service ends, and nothing waits any more', () => {
    const { told, tell, refusals, sleeping } = ledger();
    for (let i = 0; i < 5; i++) tell('eve');
    refusals.close();
    expect([sum(told), sleeping()]).toEqual([5, []]);
  });
});
