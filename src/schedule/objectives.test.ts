import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alteredSet, fireOf, observedSet } from '../../test/helpers/observed-sets.ts';
import { day, hour, minute, namespaces, policy, tier } from '../../test/helpers/policies.ts';
import { isScheduled, type Part, type Policy } from '../domain/policy.ts';
import type { ReadableSet, SetSummary } from '../repository/catalog.ts';
import { nextFire, parseSchedule } from './cron.ts';
import { span, verdict } from './objective-words.ts';
import { type ObjectiveState, type ObjectiveStatus, type ObjectivesInput, objectiveStatuses } from './objectives.ts';

const objectives = { rpoMs: 26 * hour, rtoMs: hour };
const daily = tier('daily', '0 2 * * *', { scope: { selection: tier('x', '@daily').scope.selection, parts: ['resources', 'volumeData'] } });
const platform = policy([daily, tier('weekly', '0 2 * * 0')], { objectives });

function statuses(now: string | number, sets: readonly SetSummary[], changes: Partial<ObjectivesInput> = {}): ObjectiveStatus[] {
  const policies = changes.policies ?? [platform];
  const nextRun = (of: string, name: string): Date | undefined => {
    const found = policies.find(one => one.name === of)?.tiers.find(one => one.name === name);
    return found && isScheduled(found) ? nextFire(parseSchedule(found.schedule), found.timeZone, new Date(now)) : undefined;
  };
  return objectiveStatuses({ policies, sets, restores: [], now: new Date(now), nextRun, ...changes });
}
const whole = (now: string | number, sets: readonly SetSummary[], changes: Partial<ObjectivesInput> = {}): ObjectiveStatus =>
  statuses(now, sets, changes)[0]!;

const monday = observedSet('2026-11-23T02:00:05Z', { fires: [fireOf('2026-11-23T02:00:00Z', 'daily')] });
const weekly = observedSet('2026-11-22T02:00:05Z', { tier: 'weekly', fires: [fireOf('2026-11-22T02:00:00Z', 'weekly')] });

describe('objectives', () => {
  it('are met all day, and while the next run is at work', () => {
    for (const now of ['2026-11-23T02:01:00Z', '2026-11-23T12:00:00Z', '2026-11-24T01:59:00Z', '2026-11-24T02:59:00Z']) {
      expect(whole(now, [weekly, monday]).state, now).toBe('met');
    }
  });

  it('are at risk once a run has failed and four fifths have gone by, and breached when they have run out', () => {
    expect(whole('2026-11-24T03:01:00Z', [weekly, monday]).state).toBe('at-risk');
    expect(whole('2026-11-24T04:00:06Z', [weekly, monday]).state).toBe('breached');
  });

  it('are at risk where the next run comes too late, or none is planned', () => {
    const policies = [policy([daily], { objectives: { rpoMs: 12 * hour } })];
    expect(whole('2026-11-23T03:00:00Z', [monday], { policies }).state).toBe('at-risk');
    expect(whole('2026-11-23T03:00:00Z', [monday], { nextRun: () => undefined }).state).toBe('at-risk');
  });

  it('are at risk while a run is at work after which the next one comes too late, as they are once its set is there', () => {
    const policies = [policy([tier('hourly', '0 * * * *')], { objectives: { rpoMs: 40 * minute } })];
    const set = (at: string) => observedSet(at, { tier: 'hourly' });
    const before = whole('2026-11-23T12:30:00Z', [set('2026-11-23T11:55:00Z')], { policies });
    expect([before.state, before.rpoNowMs]).toEqual(['at-risk', 35 * minute]);
    const after = whole('2026-11-23T12:30:00Z', [set('2026-11-23T11:55:00Z'), set('2026-11-23T12:10:00Z')], { policies });
    expect([after.state, after.rpoNowMs]).toEqual(['at-risk', 20 * minute]);
  });

  it('look at a tier by its own objectives, and at none where nothing was promised', () => {
    const hourly = tier('hourly', '0 * * * *', { objectives: { rpoMs: 2 * hour } });
    const all = statuses('2026-11-23T06:00:00Z', [monday], { policies: [policy([hourly, daily], { objectives })] });
    expect(all.map(({ tier: name, state }) => [name, state])).toEqual([
      [undefined, 'met'],
      ['hourly', 'breached'],
      ['daily', 'unknown'],
    ]);
  });

  it('name the first time without a set from an hour after it, jitter included', () => {
    const jittered = [policy([tier('daily', '0 2 * * *', { jitterMs: 30 * minute })], { objectives })];
    expect(whole('2026-11-24T03:00:00Z', [weekly, monday]).overdueSince).toBe('2026-11-24T02:00:00.000Z');
    expect(whole('2026-11-26T12:00:00Z', [weekly, monday]).overdueSince).toBe('2026-11-24T02:00:00.000Z');
    expect(whole('2026-11-24T02:59:59Z', [weekly, monday]).overdueSince).toBeUndefined();
    expect(whole('2026-11-24T03:00:00Z', [monday], { policies: jittered }).overdueSince).toBeUndefined();
    expect(whole('2026-11-24T03:30:00Z', [monday], { policies: jittered }).overdueSince).toBe('2026-11-24T02:00:00.000Z');
  });

  it('do not call a run overdue that a partly failed set stands for, one before the repository, or one of a suspended policy', () => {
    const partly = observedSet('2026-11-24T02:00:05Z', { phase: 'PartiallyFailed', fires: [fireOf('2026-11-24T02:00:00Z', 'daily')] });
    const now = '2026-11-24T12:00:00Z';
    expect(whole(now, [weekly, monday, partly]).overdueSince).toBeUndefined();
    expect(whole(now, [], { since: new Date('2026-11-24T11:00:00Z') })).toMatchObject({ state: 'unknown' });
    expect(whole(now, [], { since: new Date('2026-11-24T11:00:00Z') }).overdueSince).toBeUndefined();
    expect(whole(now, [monday], { policies: [{ ...platform, suspend: true }] }).overdueSince).toBeUndefined();
  });

  it('do not count sets of another cluster', () => {
    const now = '2026-11-23T12:00:00Z';
    expect(whole(now, [weekly, monday], { isOwn: ({ uid }) => uid === 'c1' }).state).toBe('met');
    expect(whole(now, [weekly, monday], { isOwn: ({ uid }) => uid === 'c2' })).toMatchObject({
      state: 'breached',
      message: expect.stringContaining('no complete set'),
    });
  });

  it('count a set that somebody asked for where it has all that a tier asks for, so that it ends a breach', () => {
    const late = '2026-11-25T12:00:00Z';
    const parts: Part[] = ['resources', 'volumeData'];
    const asked = (changes: Partial<ReadableSet>) =>
      observedSet('2026-11-25T11:00:00Z', { tier: 'manual', fires: [], asked: parts, ...changes });
    const states = (set: ReadableSet, only: Policy = policy([daily], { objectives })) =>
      statuses(late, [weekly, monday, set], { policies: [only] }).map(({ lastComplete }) => lastComplete?.set === set.id);
    expect(whole(late, [weekly, monday]).state).toBe('breached');
    expect(whole(late, [weekly, monday, asked({})])).toMatchObject({ state: 'met', lastComplete: { set: asked({}).id }, rpoNowMs: hour });
    expect(states(asked({}))).toEqual([true, true]);
    expect(states(asked({ phase: 'PartiallyFailed' }))).toEqual([false, false]);
    expect(states(asked({ asked: ['resources'] }))).toEqual([false, false]);
    const { asked: _none, ...unknown } = asked({});
    expect(states(unknown)).toEqual([false, false]);
    expect(states(asked({ selection: namespaces('agents') }))).toEqual([false, false]);
    // A tier of a few namespaces: the same ones do, and so does the whole cluster.
    const some = policy([tier('daily', '0 2 * * *', { scope: { selection: namespaces('b', 'a'), parts: ['resources'] } })], { objectives });
    expect(states(asked({ selection: namespaces('a', 'b') }), some)).toEqual([true, true]);
    expect(states(unknown, some)).toEqual([true, true]);
    expect(states(asked({ selection: namespaces('a') }), some)).toEqual([false, false]);
    // What it was to have and has not is not protected, as with any set.
    expect(whole(late, [weekly, monday, asked({ notProtected: ['volumeData'] })]).notProtected).toEqual(['volumeData']);
  });

  it('of a policy with tiers of the whole cluster count sets of the whole cluster alone, and no runs of other tiers', () => {
    const hourly = tier('hourly', '0 * * * *', { scope: { selection: namespaces('agents'), parts: ['resources'] } });
    const lately = observedSet('2026-11-25T11:00:00Z', { tier: 'hourly', selection: namespaces('agents') });
    const late = '2026-11-25T11:30:00Z';
    const of = (policies: Policy[], sets: readonly SetSummary[]) =>
      statuses(late, sets, { policies }).map(({ tier: name, state, rpoNowMs }) => [name, state, rpoNowMs]);
    const both = [policy([hourly, daily], { objectives })];
    expect(of(both, [monday, lately])).toEqual([
      [undefined, 'breached', Date.parse(late) - Date.parse(monday.startedAt)],
      ['hourly', 'unknown', 30 * minute],
      ['daily', 'unknown', Date.parse(late) - Date.parse(monday.startedAt)],
    ]);
    expect(whole(late, [lately], { policies: both }).lastComplete).toBeUndefined();
    // One run for both tiers took what both ask for.
    const fires = ['hourly', 'daily'].map(name => fireOf('2026-11-25T02:00:00Z', name));
    expect(of(both, [lately, observedSet('2026-11-25T02:00:00Z', { tier: 'hourly', fires })])[0]).toEqual([undefined, 'met', 9.5 * hour]);
    // The next run of the whole comes too late, though the hourly one does not.
    const soon = [policy([hourly, daily], { objectives: { rpoMs: 12 * hour } })];
    expect(of(soon, [observedSet('2026-11-25T02:00:00Z', { fires }), lately])[0]).toEqual([undefined, 'at-risk', 9.5 * hour]);
    expect(of([policy([hourly], { objectives })], [lately])[0]).toEqual([undefined, 'met', 30 * minute]);
  });

  it('compare the last measured restore', () => {
    const restores = (durationMs: number) => [
      { policy: 'platform', at: '2026-11-20T00:00:00Z', durationMs: 5 * hour },
      { policy: 'platform', tier: 'daily', at: '2026-11-22T00:00:00Z', durationMs },
    ];
    const state = (durationMs: number) => whole('2026-11-23T12:00:00Z', [weekly, monday], { restores: restores(durationMs) });
    expect([state(10 * minute), state(50 * minute), state(61 * minute)].map(status => status.state)).toEqual([
      'met',
      'at-risk',
      'breached',
    ]);
    expect(state(61 * minute)).toMatchObject({
      rtoLastMs: 61 * minute,
      message: expect.stringContaining('took 61 min (objective 60 min)'),
    });
  });

  it('call a part protected as soon as a tier that asks for it has it', () => {
    const without = observedSet('2026-11-23T02:00:05Z', { fires: monday.fires, notProtected: ['volumeData'] });
    expect(whole('2026-11-23T12:00:00Z', [monday]).notProtected).toEqual([]);
    expect(whole('2026-11-23T12:00:00Z', [without]).notProtected).toEqual(['volumeData']);
    expect(whole('2026-11-23T12:00:00Z', []).notProtected).toEqual(['resources', 'volumeData']);
  });
});

const rank = { met: 0, 'at-risk': 1, unknown: 2, breached: 3 } as const satisfies Record<ObjectiveState, number>;
const now = Date.parse('2026-11-23T12:34:56Z');
const since = new Date(now - 60 * day);
const generated = (count: number) =>
  fc.array(
    fc.record({
      // Minutes: any of two months, and many of the last hours, in which runs are at work.
      age: fc.oneof(fc.integer({ min: 0, max: 59 * 24 * 60 }), fc.integer({ min: 0, max: 150 })),
      tier: fc.constantFrom('t0', 't1', 'other'),
      phase: fc.constantFrom('Completed' as const, 'PartiallyFailed' as const),
    }),
    { maxLength: count },
  );
const schedules = fc.array(fc.constantFrom('*/15 * * * *', '0 * * * *', '0 2 * * *', '30 12 * * *', '0 3 * * 0', '0 3 1 * *'), {
  minLength: 1,
  maxLength: 2,
});
const minutes = (min: number, max: number) => fc.integer({ min, max }).map(count => count * minute);
const rpo = fc.oneof(minutes(10, 3 * 24 * 60), minutes(10, 90));

function made(crons: readonly string[], rpoMs: number): Policy {
  return policy(
    crons.map((cron, index) => tier(`t${index}`, cron, { objectives: { rpoMs } })),
    { objectives: { rpoMs } },
  );
}
/** Each a set of the newest time of its tier that lay before it. */
function setsOf(choices: readonly { age: number; tier: string; phase: 'Completed' | 'PartiallyFailed' }[], tookMs = 0): SetSummary[] {
  return choices.map(({ age, tier: name, phase }) => {
    const at = new Date(now - age * minute).toISOString();
    const finishedAt = new Date(Date.parse(at) + tookMs).toISOString();
    return observedSet(at, { phase, tier: name, fires: [fireOf(at, name)], finishedAt });
  });
}

describe('objectives, whatever there is', () => {
  it('are never met without a complete set that is not of the future', () => {
    const useless = fc
      .tuple(generated(6), generated(6))
      .map(([partial, future]) => [
        ...setsOf(partial.map(choice => ({ ...choice, phase: 'PartiallyFailed' as const }))),
        ...setsOf(future.map(choice => ({ ...choice, age: -choice.age - 11 }))),
        alteredSet('2026-11-23T02:00:00Z'),
      ]);
    fc.assert(
      fc.property(schedules, rpo, useless, fc.boolean(), (crons, rpoMs, sets, known) => {
        const all = statuses(now, sets, { policies: [made(crons, rpoMs)], ...(known && { since }) });
        expect(all.filter(({ state }) => state !== 'breached')).toEqual([]);
        expect(all.flatMap(({ lastComplete }) => lastComplete ?? [])).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('never become worse by more sets that took as long', () => {
    const took = fc.constantFrom(0, minute, 20 * minute);
    fc.assert(
      fc.property(schedules, rpo, generated(6), generated(6), took, fc.boolean(), (crons, rpoMs, some, others, tookMs, known) => {
        const changes = { policies: [made(crons, rpoMs)], ...(known && { since }) };
        const before = statuses(now, setsOf(some, tookMs), changes);
        const after = statuses(now, [...setsOf(others, tookMs), ...setsOf(some, tookMs)], changes);
        before.forEach((status, index) => {
          expect(rank[after[index]!.state]).toBeLessThanOrEqual(rank[status.state]);
          if (status.overdueSince === undefined) expect(after[index]!.overdueSince).toBeUndefined();
        });
      }),
      { numRuns: 500 },
    );
  });

  it('are breached exactly when the newest complete set is older than promised', () => {
    fc.assert(
      fc.property(schedules, rpo, generated(6), (crons, rpoMs, some) => {
        for (const { state, rpoNowMs } of statuses(now, setsOf(some), { policies: [made(crons, rpoMs)] })) {
          expect(state === 'breached').toBe(rpoNowMs === undefined || rpoNowMs > rpoMs);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('the verdict', () => {
  const without = observedSet('2026-11-23T02:00:05Z', { fires: monday.fires, notProtected: ['volumeData'] });

  it('says how old the newest complete set is, and what it lacks', () => {
    expect(verdict(statuses('2026-11-23T05:30:00Z', [weekly, without]))).toBe(
      'platform is protected: newest complete set is 3 h old (objective 26 h); volume data is not protected',
    );
  });

  it('begins with the worst policy', () => {
    const shop = policy([tier('daily', '0 2 * * *')], { name: 'shop', objectives });
    const all = statuses('2026-11-23T05:30:00Z', [weekly, monday], { policies: [platform, shop] });
    expect(verdict(all)).toBe(
      'shop is not protected: there is no complete set (objective 26 h); overdue since 2026-11-23 02:00 UTC; ' +
        'platform is protected: newest complete set is 3 h old (objective 26 h)',
    );
  });

  it('names a tier that is late where its policy is not', () => {
    const all = statuses('2026-11-23T05:30:00Z', [
      observedSet('2026-11-15T02:00:05Z', { ...weekly, fires: [fireOf('2026-11-15T02:00:00Z', 'weekly')] }),
      monday,
    ]);
    expect(verdict(all.map(one => (one.tier === undefined ? { ...one, overdueSince: undefined } : one)) as ObjectiveStatus[])).toMatch(
      /^platform is protected: .*; tier weekly is overdue since 2026-11-22 02:00 UTC$/,
    );
  });

  it('says so where there is no policy', () => {
    expect(verdict([])).toBe('nothing is protected: there is no policy');
  });

  it('writes spans as people do', () => {
    expect([45_000, 12 * minute, 3 * hour, 26 * hour, 5 * day].map(span)).toEqual(['45 s', '12 min', '3 h', '26 h', '5 d']);
  });
});
