import { describe, expect, it } from 'vitest';
import { createRefusals } from './refusals.ts';
import type { Refusal } from './service.ts';

function ledger() {
  const told: Refusal[] = [];
  let at = Date.parse('2026-11-23T00:00:00Z');
  const refusals = createRefusals(refusal => told.push(refusal), { now: () => new Date(at) });
  const tell = (name: string, request = 'GET /') => refusals.tell({ name, via: 'api' }, request, 'REQUEST_FORBIDDEN', 'no role');
  return { told, refusals, tell, pass: (ms: number) => (at += ms) };
}

describe('refusals', () => {
  it('are told at once, and repetitions as a count with the next after a minute', () => {
    const { told, tell, pass } = ledger();
    for (let i = 0; i < 5; i++) tell('eve');
    tell('eve', 'POST /');
    tell('bob');
    expect(told.map(({ actor, count }) => [actor.name, count])).toEqual([
      ['eve', 1],
      ['eve', 1],
      ['bob', 1],
    ]);
    pass(60_000);
    tell('eve');
    expect(told.at(-1)).toMatchObject({ actor: { name: 'eve' }, count: 5 });
  });

  it('of ever new names cannot fill the ledger, and none is forgotten', () => {
    const { told, tell, refusals } = ledger();
    for (let i = 0; i < 5_000; i++) tell(`name-${i}`);
    expect(told).toHaveLength(100);
    refusals.flush();
    expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(5_000);
    expect(told.at(-1)).toMatchObject({ actor: { name: 'several' }, count: 4_900 });
  });
});
