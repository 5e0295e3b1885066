import { describe, expect, it } from 'vitest';
import { at, day, failed, fire, hour, minute, namespaces, policy, started, tier, utc } from '../../test/helpers/policies.ts';
import type { Decision } from './due.ts';
import { jitterOf } from './jitter.ts';

const daily = tier('daily', '0 2 * * *');
const weekly = tier('weekly', '0 2 * * sun', { keep: { count: 12, unit: 'week' }, startingDeadlineMs: 2 * day });

function wake({ wakeAt }: Decision): string {
  return wakeAt.toISOString().slice(0, 19);
}

describe('a due fire', () => {
  const yesterday = { handled: [fire('daily', '2026-11-22T02:00')] };

  it('is run at its time, not before', () => {
    expect(started(at('2026-11-23T01:59', policy([daily]), yesterday))).toEqual([]);
    expect(wake(at('2026-11-23T01:59', policy([daily]), yesterday))).toBe('2026-11-23T02:00:00');
    const decision = at('2026-11-23T02:00', policy([daily]), yesterday);
    expect(decision.runs).toEqual([
      { policy: 'platform', tier: 'daily', fires: [fire('daily', '2026-11-23T02:00')], scope: daily.scope, attempt: 1 },
    ]);
    expect(wake(decision)).toBe('2026-11-23T14:00:00');
  });

  it('waits for its jitter, and is known by its time without it', () => {
    const jittered = { ...daily, jitterMs: 30 * minute };
    const jitter = jitterOf('platform', 'daily', 'c1', 30 * minute);
    const due = Date.parse(utc('2026-11-23T02:00')) + jitter;
    const before = at('2026-11-23T02:00', policy([jittered]), yesterday, { now: new Date(due - 1) });
    expect(jitter).toBeGreaterThan(0);
    expect(started(before)).toEqual([]);
    expect(before.wakeAt.getTime()).toBe(due);
    expect(started(at('', policy([jittered]), yesterday, { now: new Date(due) }))).toEqual(['daily@2026-11-23T02:00']);
  });

  it('is not run again once a set stands for it', () => {
    expect(started(at('2026-11-23T02:05', policy([daily]), { handled: [fire('daily', '2026-11-23T02:00')] }))).toEqual([]);
  });

  it('is told from that of another policy and tier of the same name', () => {
    const handled = [fire('daily', '2026-11-23T02:00', 'other'), fire('weekly', '2026-11-23T02:00')];
    expect(started(at('2026-11-23T02:05', policy([daily]), { handled }))).toEqual(['daily@2026-11-23T02:00']);
  });

  it('follows the zone of its tier', () => {
    const vienna = policy([{ ...daily, schedule: '30 2 * * *', timeZone: 'Europe/Vienna' }]);
    const past = { handled: [fire('daily', '2026-03-28T01:30')] };
    expect(started(at('2026-03-29T00:59', vienna, past))).toEqual([]);
    expect(started(at('2026-03-29T01:00', vienna, past))).toEqual(['daily@2026-03-29T01:00']);
  });
});

describe('after downtime', () => {
  it('only the newest of the missed fires is run', () => {
    const past = { handled: [fire('daily', '2026-11-10T02:00')] };
    expect(started(at('2026-11-23T09:00', policy([daily]), past))).toEqual(['daily@2026-11-23T02:00']);
    const caughtUp = { handled: [...past.handled, fire('daily', '2026-11-23T02:00')] };
    expect(at('2026-11-23T09:00', policy([daily]), caughtUp)).toMatchObject({ runs: [], missed: [] });
  });

  it('a fire older than the starting deadline, counted from when it was due, is given up and reported', () => {
    const past = { handled: [fire('daily', '2026-11-21T02:00')] };
    expect(started(at('2026-11-23T14:00', policy([daily]), past))).toEqual(['daily@2026-11-23T02:00']);
    const late = at('2026-11-23T14:01', policy([daily]), past);
    expect(late.runs).toEqual([]);
    expect(late.missed).toEqual([{ fire: fire('daily', '2026-11-23T02:00'), deadline: utc('2026-11-23T14:00'), attempts: 0 }]);
    expect(wake(late)).toBe('2026-11-24T02:00:00');
  });

  it('unless told, may be late by six hours, and by half of the interval where it comes seldom', () => {
    const deadlineOf = (schedule: string, timeZone = 'UTC'): string => {
      const { startingDeadlineMs: _told, ...untold } = tier('any', schedule, { timeZone });
      const [missed] = at('2026-11-28T12:00', policy([untold]), {}).missed;
      return missed?.deadline ?? 'open';
    };
    expect(deadlineOf('0 * * * *')).toBe('open');
    expect(deadlineOf('0 2 * * *')).toBe(utc('2026-11-28T08:00'));
    expect(deadlineOf('0 2 * * thu')).toBe('open');
    expect(deadlineOf('0 2 * * tue')).toBe(utc('2026-11-27T14:00'));
    expect(deadlineOf('0 2 1 * *')).toBe(utc('2026-11-16T02:00'));
    expect(deadlineOf('0 2 25 * *')).toBe('open');
  });

  it('that comes seldom and was missed by a day of downtime is caught up once, with what is open besides', () => {
    const { startingDeadlineMs: _told, ...monthly } = tier('monthly', '0 2 1 * *', { keep: { count: 12, unit: 'month' } });
    const past = { handled: [fire('daily', '2026-10-30T02:00'), fire('monthly', '2026-10-01T02:00')] };
    expect(started(at('2026-11-02T04:00', policy([daily, monthly]), past))).toEqual(['monthly@2026-11-01T02:00 daily@2026-11-02T02:00']);
    const caughtUp = { handled: [fire('daily', '2026-11-02T02:00'), fire('monthly', '2026-11-01T02:00')] };
    expect(at('2026-11-02T04:00', policy([daily, monthly]), caughtUp)).toMatchObject({ runs: [], missed: [] });
  });

  it('a fire that was reported is not reported again', () => {
    const past = { givenUp: [fire('daily', '2026-11-23T02:00')] };
    expect(at('2026-11-23T14:01', policy([daily]), past)).toMatchObject({ runs: [], missed: [] });
  });

  it('wakes up in time to give up what cannot be started', () => {
    expect(wake(at('2026-11-23T09:00', policy([daily]), { running: [{ policy: 'platform', tier: 'weekly' }] }))).toBe(
      '2026-11-23T14:00:00',
    );
  });
});

describe('a new repository', () => {
  it('has no part in what was due before it was made', () => {
    const past = { createdAt: utc('2026-11-23T02:01') };
    expect(at('2026-11-23T09:00', policy([daily]), past)).toMatchObject({ runs: [], missed: [] });
    expect(started(at('2026-11-23T09:00', policy([daily]), { createdAt: utc('2026-11-23T02:00') }))).toEqual(['daily@2026-11-23T02:00']);
  });

  const fresh = { createdAt: utc('2026-11-23T08:30'), complete: new Set<string>() };
  const initial = policy([{ ...daily, jitterMs: hour }, weekly], { initialBackup: true });

  it('gets its initial backup at once, for the first tier, known by the time the repository was made', () => {
    expect(started(at('2026-11-23T08:31', initial, fresh))).toEqual(['daily@2026-11-23T08:30']);
    expect(started(at('2026-11-23T08:31', policy([daily]), fresh))).toEqual([]);
  });

  it('gets it with a time of whole seconds, as every fire', () => {
    const [run] = at('2026-11-23T08:31', initial, { ...fresh, createdAt: '2026-11-23T08:30:12.345Z' }).runs;
    expect(run?.fires).toMatchObject([{ at: '2026-11-23T08:30:12.000Z' }]);
  });

  it('gets it once, even where it is not complete', () => {
    expect(started(at('2026-11-23T09:00', initial, { ...fresh, handled: [fire('daily', '2026-11-23T08:30')] }))).toEqual([]);
    expect(started(at('2026-11-23T09:00', initial, { ...fresh, complete: new Set(['platform']) }))).toEqual([]);
  });

  it('gets it again after a failure, with delay', () => {
    const once = { ...fresh, failed: [failed('daily', '2026-11-23T08:30', 1, '2026-11-23T08:40')] };
    expect(started(at('2026-11-23T08:44', initial, once))).toEqual([]);
    expect(wake(at('2026-11-23T08:44', initial, once))).toBe('2026-11-23T08:45:00');
    expect(at('2026-11-23T08:45', initial, once).runs).toMatchObject([{ attempt: 2 }]);
  });

  it('is given up by no deadline before it has a complete set', () => {
    expect(started(at('2026-11-23T20:00', initial, { complete: new Set() }))).toEqual(['weekly@2026-11-22T02:00 daily@2026-11-23T02:00']);
  });

  it('passes over a suspended tier', () => {
    const suspended = policy([{ ...daily, suspend: true }, weekly], { initialBackup: true });
    expect(started(at('2026-11-23T08:31', suspended, fresh))).toEqual(['weekly@2026-11-23T08:30']);
  });
});

describe('overlap', () => {
  const other = policy([tier('daily', '0 2 * * *')], { name: 'other' });

  it('is not allowed within a policy: what is due waits for the run that goes on', () => {
    const running = [fire('weekly', '2026-11-22T02:00')];
    expect(started(at('2026-11-22T02:05', policy([daily, weekly]), { running }))).toEqual([]);
    expect(started(at('2026-11-22T02:05', policy([daily, weekly]), { handled: running }))).toEqual(['daily@2026-11-22T02:00']);
  });

  it('is allowed between policies', () => {
    const running = [fire('daily', '2026-11-23T02:00')];
    expect(started(at('2026-11-23T02:05', [policy([daily]), other], { running }))).toEqual(['daily@2026-11-23T02:00']);
    expect(at('2026-11-23T02:05', [policy([daily]), other], { running }).runs[0]?.policy).toBe('other');
  });

  it('a run that takes longer than the starting deadline is not missed', () => {
    const running = [fire('daily', '2026-11-23T02:00')];
    expect(at('2026-11-23T20:00', policy([daily]), { running })).toMatchObject({ runs: [], missed: [] });
  });

  it('of two tiers that cannot be one run, the one whose time came first is first', () => {
    const a = tier('a', '30 2 * * *', { scope: { selection: namespaces('a'), parts: ['resources'] } });
    const b = tier('b', '0 2 * * *', { scope: { selection: namespaces('b'), parts: ['resources'] } });
    expect(started(at('2026-11-23T02:40', policy([a, b])))).toEqual(['b@2026-11-23T02:00']);
    expect(started(at('2026-11-23T02:50', policy([a, b]), { handled: [fire('b', '2026-11-23T02:00')] }))).toEqual(['a@2026-11-23T02:30']);
  });
});

describe('a failed run', () => {
  const tried = (attempts: number, last: string) => ({ failed: [failed('daily', '2026-11-23T02:00', attempts, last)] });

  it.each([
    [1, '2026-11-23T02:05'],
    [2, '2026-11-23T02:10'],
    [3, '2026-11-23T02:20'],
    [4, '2026-11-23T02:40'],
    [5, '2026-11-23T03:00'],
    [6, '2026-11-23T03:00'],
  ])('is tried again after attempt %i with growing delay', (attempts, next) => {
    const past = tried(attempts, '2026-11-23T02:00');
    const before = at('', policy([daily]), past, { now: new Date(Date.parse(utc(next)) - 1) });
    expect(before.runs).toEqual([]);
    expect(before.wakeAt.toISOString()).toBe(utc(next));
    expect(at(next, policy([daily]), past).runs).toMatchObject([{ attempt: attempts + 1 }]);
  });

  it('that is told of twice counts with most attempts, and of these with the last', () => {
    const records = [
      ...tried(3, '2026-11-23T02:10').failed,
      ...tried(3, '2026-11-23T02:20').failed,
      ...tried(2, '2026-11-23T02:30').failed,
    ];
    for (const failures of [records, records.toReversed()]) {
      expect(wake(at('2026-11-23T02:31', policy([daily]), { failed: failures }))).toBe('2026-11-23T02:40:00');
    }
  });

  it('is tried until the starting deadline, and reported then', () => {
    const past = tried(9, '2026-11-23T13:30');
    expect(wake(at('2026-11-23T13:40', policy([daily]), past))).toBe('2026-11-23T14:00:00');
    expect(at('2026-11-23T14:01', policy([daily]), past).missed).toMatchObject([{ attempts: 9 }]);
  });

  it('is tried until the next fire, which is a new one', () => {
    const hourly = tier('daily', '0 * * * *');
    expect(at('2026-11-23T03:00', policy([hourly]), tried(4, '2026-11-23T02:50')).runs).toMatchObject([
      { fires: [fire('daily', '2026-11-23T03:00')], attempt: 1 },
    ]);
  });

  it('counts as tried for every tier that it stood for', () => {
    const both = [failed('daily', '2026-11-22T02:00', 1, '2026-11-22T02:20'), failed('weekly', '2026-11-22T02:00', 1, '2026-11-22T02:20')];
    expect(started(at('2026-11-22T02:24', policy([daily, weekly]), { failed: both }))).toEqual([]);
    expect(started(at('2026-11-22T02:25', policy([daily, weekly]), { failed: both }))).toEqual([
      'daily@2026-11-22T02:00 weekly@2026-11-22T02:00',
    ]);
  });
});

describe('a clock that jumps', () => {
  const week = ['2026-11-20T02:00', '2026-11-21T02:00', '2026-11-22T02:00', '2026-11-23T02:00'].map(time => fire('daily', time));

  it.each(['2026-11-22T01:59', '2026-11-22T02:00', '2026-11-22T12:00', '2026-11-23T01:55', '2026-11-23T02:00'])(
    'back to %s repeats nothing',
    now => {
      expect(started(at(now, policy([daily]), { handled: week }))).toEqual([]);
    },
  );

  it('forward catches up once', () => {
    expect(started(at('2027-02-23T09:00', policy([daily]), { handled: week }))).toEqual(['daily@2027-02-23T02:00']);
  });

  it('forward and back again does not stop the schedule', () => {
    const handled = [...week, fire('daily', '2027-02-23T02:00')];
    expect(started(at('2026-11-24T02:00', policy([daily]), { handled }))).toEqual(['daily@2026-11-24T02:00']);
  });

  it('takes a fire of the next ten minutes for one that was handled', () => {
    expect(
      started(at('2026-11-23T01:51', policy([tier('daily', '50 1,2 * * *')]), { handled: [fire('daily', '2026-11-23T02:00')] })),
    ).toEqual([]);
    expect(
      started(at('2026-11-23T01:51', policy([tier('daily', '50 1,2 * * *')]), { handled: [fire('daily', '2026-11-23T02:02')] })),
    ).toEqual(['daily@2026-11-23T01:50']);
  });

  it('while a repository was made does not stop the schedule until then', () => {
    expect(started(at('2026-11-23T02:00', policy([daily]), { createdAt: utc('2031-01-01T00:00') }))).toEqual(['daily@2026-11-23T02:00']);
  });

  it('while a run failed neither stops its attempts nor makes a storm of them', () => {
    const tried = (attempts: number) => ({ failed: [failed('daily', '2026-11-23T02:00', attempts, '2027-11-23T02:00')] });
    expect(wake(at('2026-11-23T02:30', policy([daily]), tried(3)))).toBe('2026-11-23T02:35:00');
    expect(at('2026-11-23T02:35', policy([daily]), tried(3)).runs).toMatchObject([{ attempt: 4 }]);
    expect(wake(at('2026-11-23T02:35', policy([daily]), tried(4)))).toBe('2026-11-23T03:15:00');
  });
});

describe('suspend', () => {
  it('stops a tier, and not its neighbours', () => {
    expect(started(at('2026-11-22T02:00', policy([{ ...daily, suspend: true }, weekly])))).toEqual(['weekly@2026-11-22T02:00']);
  });

  it('stops a policy, and reports nothing as missed', () => {
    const suspended = at('2026-11-22T20:00', policy([daily, weekly], { suspend: true }));
    expect(suspended).toMatchObject({ runs: [], missed: [] });
    expect(wake(suspended)).toBe('2026-11-23T20:00:00');
  });
});
