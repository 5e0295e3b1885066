import { describe, expect, it } from 'vitest';
import type { Actor, EndedPhase, Operation } from '../domain/operation.ts';
import { lastRetention, upkeepBefore } from './done-before.ts';

const at = (day: number) => `2026-11-${day}T04:30:00.000Z`;
const clock: Actor = { name: 'schedule', via: 'schedule' };
const alice: Actor = { name: 'alice', via: 'api' };
const signal = new AbortController().signal;

function retention(day: number, phase: EndedPhase, summary: Record<string, unknown> = {}, actor = clock): Operation {
  const id = `202611${day}T043000Z-retention-aaaa`;
  const result = { id, phase, startedAt: at(day), finishedAt: at(day), summary };
  return {
    request: { id, kind: 'retention', subject: 'all', actor, createdAt: at(day), parameters: {} },
    phase,
    startedAt: at(day),
    result,
  };
}
/** Newest first, as they are listed. */
const known = (...some: readonly Operation[]) =>
  ({ operations: { list: async () => some } }) as unknown as Parameters<typeof lastRetention>[0];

describe('what was done before', () => {
  it('is the last retention of the clock that came to an end, so that one that was due since, or was cut short, is made up for', async () => {
    const all = [
      retention(24, 'Interrupted'),
      retention(23, 'Completed', {}, alice),
      retention(22, 'PartiallyFailed'),
      retention(21, 'Completed'),
    ];
    expect(await lastRetention(known(...all), signal)).toEqual(new Date(at(22)));
    expect(await lastRetention(known(), signal)).toBeUndefined();
  });

  it('is the last upkeep that saw the repositories, whoever asked for it, and what that could not read', async () => {
    const done = { repository: 'volumes/a/one/', forgotten: 1, state: 'done', reason: '', checked: '3/12' };
    const damaged = { ...done, repository: 'volumes/a/two/', checked: undefined, state: 'failed', unread: '4/12' };
    const all = [
      retention(24, 'Failed'),
      retention(23, 'Completed', { upkeep: { items: [], repositories: 0, notices: ['it is away'] } }),
      retention(22, 'PartiallyFailed', { upkeep: { items: [done, damaged], repositories: 9, notices: [] } }, alice),
    ];
    expect(await upkeepBefore(known(...all), signal)).toEqual({ at: new Date(at(22)), unread: new Map([['volumes/a/two/', '4/12']]) });
    expect(await upkeepBefore(known(), signal)).toBeUndefined();
  });
});
