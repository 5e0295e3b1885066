import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConditionEvent, type Notice, noticeKinds } from './notice.ts';
import { incidentGapMs, mostKeys, type NoticeMemory, type Observation, observe } from './notice-state.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.parse('2026-11-23T02:00:00Z');

const holds = (event: ConditionEvent, key = 'k', what = 'it broke'): Observation => ({
  ...{ type: 'holds', key },
  occurrence: { event, policy: 'platform', what, why: 'no answer', hint: 'look' },
});
const over = (key = 'k'): Observation => ({ type: 'over', key });
const happened = (key = 'm'): Observation => ({
  ...{ type: 'happened', key },
  occurrence: { event: 'schedule.missed', what: 'a run was missed', why: '', hint: '' },
});

/** Goes through time; the memory is carried over as JSON, as to another process. */
function world() {
  let memory: NoticeMemory = {};
  const told: Notice[] = [];
  return {
    told,
    memory: () => memory,
    at(ms: number, ...observations: Observation[]): Notice[] {
      const step = observe(memory, observations, new Date(start + ms));
      memory = JSON.parse(JSON.stringify(step.memory));
      told.push(...step.notices);
      return [...step.notices];
    },
    words: () => told.map(({ event, state }) => `${event} ${state}`),
  };
}

describe('a condition', () => {
  it('is told once when it begins, every 24 hours while it lasts, and when it is over', () => {
    const { at, told, words } = world();
    for (let h = 0; h < 60; h++) at(h * hour, holds('objective.breached'));
    at(60 * hour, over());
    at(60 * hour + 6 * minute);
    expect(words()).toEqual([
      'objective.breached began',
      'objective.breached lasts',
      'objective.breached lasts',
      'objective.breached recovered',
    ]);
    expect(told[3]).toMatchObject({ severity: 'info', since: '2026-11-23T02:00:00.000Z', what: 'in order again: it broke' });
  });

  it('of backups is over with the first complete set, told as such', () => {
    const { at, words } = world();
    at(0, holds('backup.failed'));
    at(10 * minute, { type: 'over', key: 'k', what: 'a complete set was made', subject: 'set-1' });
    expect(words()).toEqual(['backup.failed began', 'backup.recovered recovered']);
  });

  it('is told again when it becomes worse, and not when it becomes better', () => {
    const { at, words } = world();
    at(0, holds('objective.at-risk'));
    at(hour, holds('objective.breached'));
    at(2 * hour, holds('objective.at-risk'));
    at(3 * hour, holds('objective.breached'));
    expect(words()).toEqual(['objective.at-risk began', 'objective.breached began']);
  });

  it('that passes before it counts is told to nobody', () => {
    const { at, told } = world();
    at(0, holds('store.unreachable'));
    at(minute, over());
    at(hour);
    expect(told).toEqual([]);
  });

  it('that comes and goes is told, and is one condition', () => {
    const { at, words } = world();
    for (let m = 0; m < 60; m++) at(m * minute, m % 2 === 0 ? holds('store.unreachable') : over());
    at(70 * minute);
    expect(words()).toEqual(['store.unreachable began', 'store.unreachable recovered']);
  });

  it('is reminded of although the clock was wrong for a while', () => {
    const { at, words } = world();
    at(3_650 * day, holds('verify.failed'));
    at(0, holds('verify.failed'));
    at(day, holds('verify.failed'));
    expect(words()).toEqual(['verify.failed began', 'verify.failed lasts']);
  });

  it('that is in order from the beginning is told to nobody', () => {
    const { at, told, memory } = world();
    at(0, over());
    expect([told, memory()]).toEqual([[], {}]);
  });
});

describe('all but some', () => {
  it('are over together, such as those of a policy that is gone', () => {
    const { at, told } = world();
    at(0, holds('verify.failed', 'verify/a'), holds('verify.failed', 'verify/b'), holds('config.invalid', 'config'));
    at(hour, { type: 'only', prefix: 'verify/', keys: ['verify/b'], what: 'gone' });
    expect(told.slice(3)).toMatchObject([{ event: 'verify.failed', state: 'recovered', what: 'gone' }]);
  });
});

describe('an incident', () => {
  it('may be of a kind that lasts elsewhere, and needs no recovery then', () => {
    const { at, words, memory } = world();
    const occurrence = { event: 'backup.failed', what: 'a backup on demand failed', why: '', hint: '' } as const;
    at(0, { type: 'happened', key: 'm', occurrence });
    at(hour, over('m'));
    at(2 * hour);
    expect(words()).toEqual(['backup.failed happened']);
    expect(memory()).toEqual({});
  });

  it('is told at once, and those that follow closely are counted', () => {
    const { at, told } = world();
    for (let m = 0; m < 30; m++) at(m * minute, happened());
    expect(told).toHaveLength(1);
    at(incidentGapMs);
    expect(told[1]).toMatchObject({ event: 'schedule.missed', state: 'happened', more: 28 });
    at(3 * incidentGapMs);
    expect(told).toHaveLength(2);
  });
});

const events = Object.entries(noticeKinds).flatMap(([event, { form }]) => (form === 'condition' ? [event as ConditionEvent] : []));
/** One family of events a key, as it is in practice. */
const families: readonly (readonly ConditionEvent[])[] = [
  ['backup.failed', 'backup.partially-failed'],
  ['objective.at-risk', 'objective.breached'],
  ...events.filter(event => !/^(backup|objective)/.test(event)).map(event => [event]),
];
const family = fc.constantFrom(...families);
const steps = (of: readonly ConditionEvent[]) =>
  fc.array(
    fc.record({
      wait: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 3 * 24 * 60 })),
      see: fc.oneof(fc.constantFrom(...of), fc.constant('over' as const), fc.constant('nothing' as const)),
    }),
    { maxLength: 200 },
  );

describe('whatever happens', () => {
  it('each beginning has one recovery at most, no recovery is without a beginning, and reminders lie between', () => {
    fc.assert(
      fc.property(family.chain(steps), sequence => {
        const { at, told } = world();
        let now = 0;
        for (const { wait, see } of sequence) {
          now += wait * minute;
          at(now, ...(see === 'nothing' ? [] : [see === 'over' ? over() : holds(see)]));
        }
        let open: Notice | undefined;
        for (const notice of told) {
          if (notice.state === 'recovered') {
            expect(open).toBeDefined();
            expect(notice.since).toBe(open!.since);
            open = undefined;
          } else if (notice.state === 'lasts') {
            expect(open).toBeDefined();
            expect(Date.parse(notice.at) - Date.parse(open!.at)).toBeGreaterThanOrEqual(day);
            open = { ...open!, at: notice.at };
          } else {
            if (open !== undefined) expect([open.severity, notice.severity]).toEqual(['warning', 'error']);
            open = notice;
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('there is no storm: never more than 30 notices of one thing in a day, however it flaps', () => {
    fc.assert(
      fc.property(family, fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 }), (of, bad, good) => {
        const { at, told } = world();
        let broken = 0;
        for (let m = 0; m < 2 * 24 * 60; m++) {
          const isBad = m % (bad + good) < bad;
          if (isBad) broken++;
          at(m * minute, isBad ? holds(of[broken % of.length]!) : over());
        }
        for (const first of told) {
          const from = Date.parse(first.at);
          const within = told.filter(({ at: time }) => Date.parse(time) >= from && Date.parse(time) < from + day);
          expect(within.length).toBeLessThanOrEqual(30);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('no recovery is lost: after enough quiet all that was told is told to be over', () => {
    fc.assert(
      fc.property(family.chain(steps), sequence => {
        const { at, told, memory } = world();
        let now = 0;
        for (const { wait, see } of sequence) {
          now += wait * minute;
          at(now, ...(see === 'nothing' ? [] : [see === 'over' ? over() : holds(see)]));
        }
        at(now + minute, over());
        at(now + minute + 6 * hour, over());
        if (told.length > 0) expect(told.at(-1)!.state).toBe('recovered');
        at(now + 2 * day);
        expect(memory()).toEqual({});
      }),
      { numRuns: 300 },
    );
  });

  it('a condition that lasts is told, whenever it began and however often it is looked at', () => {
    fc.assert(
      fc.property(fc.constantFrom(...events), fc.integer({ min: 1, max: 600 }), (event, every) => {
        const { at, told } = world();
        for (let m = 0; m <= 3 * 24 * 60; m += every) at(m * minute, holds(event));
        const states = told.map(({ state }) => state);
        expect(states[0]).toBe('began');
        expect(states.slice(1).every(state => state === 'lasts')).toBe(true);
        expect(states.length).toBeGreaterThanOrEqual(3);
        expect(states.length).toBeLessThanOrEqual(4);
      }),
    );
  });

  it('keys do not disturb each other, and their number is bounded', () => {
    const { at, told, memory } = world();
    for (let index = 0; index < 5; index++) at(index, holds('verify.failed', `early${index}`));
    at(minute, ...Array.from({ length: 2 * mostKeys }, (_, index) => happened(`m${index}`)));
    expect(told).toHaveLength(5 + 2 * mostKeys);
    expect(Object.keys(memory())).toHaveLength(mostKeys);
    at(2 * minute, over('early3'));
    expect(told.at(-1)).toMatchObject({ event: 'verify.failed', state: 'recovered' });
  });
});
