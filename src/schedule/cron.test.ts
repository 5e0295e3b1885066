import { Cron } from 'croner';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allZones } from '../../test/helpers/zones.ts';
import { HoldfastError } from '../domain/errors.ts';
import { nextFire, parseSchedule, previousFire } from './cron.ts';

/** For every zone. 4 take one or two seconds; 120, for a wide run, half a minute. */
const runsPerZone = 4;
const firesPerRun = 4;
/** The last change of more than three hours, which is as far as croner looks for one, was in 1994. */
const firstYear = 1995;
const lastYear = 2044;
const dayMs = 86_400_000;

function fires(expression: string, timeZone: string, from: string, count: number): string[] {
  const schedule = parseSchedule(expression);
  const found: string[] = [];
  for (let at = nextFire(schedule, timeZone, new Date(from)); at !== undefined && found.length < count; ) {
    found.push(at.toISOString().slice(0, 16));
    at = nextFire(schedule, timeZone, at);
  }
  return found;
}

describe('parseSchedule', () => {
  it.each([
    ['60 2 * * *', 'minute "60"'],
    ['* 24 * * *', 'hour "24"'],
    ['0 2 0 * *', 'day of month "0"'],
    ['0 2 * 13 *', 'month "13"'],
    ['0 2 * * 8', 'day of week "8"'],
    ['0 2 * janfeb *', 'month "janfeb"'],
    ['0 2 * * mon1', 'day of week "mon1"'],
    ['0 2 * * mon,', 'day of week "mon,"'],
    ['1-2-3 * * * *', 'minute "1-2-3"'],
    ['*/0 * * * *', 'minute "*/0"'],
    ['0 */25 * * *', 'hour "*/25" has a step beyond its 24 values'],
    ['5/10 * * * *', 'minute "5/10" has a step without a range: write 5-59/10'],
    ['0 2 L * *', 'day of month "L"'],
    ['0 2 15W * *', 'day of month "15W"'],
    ['0 2 * * 5#2', 'day of week "5#2"'],
    ['0 2 * * 5L', 'day of week "5L"'],
    ['0 2 30 2 *', 'day of month "30" is in no month "2"'],
    ['0 2 31 feb,4,6-6 *', 'day of month "31" is in no month "feb,4,6-6"'],
    ['0 0 2 * * *', 'it has 6 of five fields; seconds are not offered'],
    ['0 2 * *', 'it has 4 of five fields'],
    ['', 'it has 0 of five fields'],
    ['@every 5m', 'it has 2 of five fields'],
    ['@reboot', 'there is no nickname @reboot'],
    ['TZ=UTC 0 2 * * *', 'the time zone is a setting of its own'],
  ])('refuses %j, naming field and reason', (text, reason) => {
    const refused = (): unknown => parseSchedule(text);
    expect(refused).toThrow(HoldfastError);
    expect(refused).toThrow(reason);
    expect(refused).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it.each([
    ['@hourly', '0 * * * *'],
    ['@daily', '0 0 * * *'],
    ['@midnight', '0 0 * * *'],
    ['@weekly', '0 0 * * 0'],
    ['@monthly', '0 0 1 * *'],
    ['@yearly', '0 0 1 1 *'],
    ['@Annually', '0 0 1 1 *'],
    ['0 2 * JAN-mar,October Sun', '0 2 * 1-3,10 0'],
    ['0 2 * * 7', '0 2 * * 0'],
    ['0 2 * * sat-sun', '0 2 * * 0,6'],
    ['0 22-2 * * *', '0 0-2,22,23 * * *'],
    ['0 2 ? * ?', '0 2 * * *'],
    [' 0\t2  * * * ', '0 2 * * *'],
    ['0,30 1-5/2 * * *', '30,0 1,3,5 * * *'],
  ])('reads %j as %j', (text, plain) => {
    expect({ ...parseSchedule(text), text: '', fixed: true }).toEqual({ ...parseSchedule(plain), text: '', fixed: true });
  });

  it('keeps the text as it was written', () => {
    expect(parseSchedule('@daily').text).toBe('@daily');
  });
});

describe('nextFire', () => {
  it('is never the time it is asked from, nor before it', () => {
    expect(fires('0 2 * * *', 'UTC', '2026-11-23T02:00:00.000Z', 1)).toEqual(['2026-11-24T02:00']);
    expect(fires('0 2 * * *', 'UTC', '2026-11-23T01:59:59.999Z', 1)).toEqual(['2026-11-23T02:00']);
  });

  it('takes either day where day of month and day of week are both restricted', () => {
    expect(fires('0 2 1,15 * mon', 'UTC', '2026-11-09T12:00Z', 4)).toEqual([
      '2026-11-15T02:00',
      '2026-11-16T02:00',
      '2026-11-23T02:00',
      '2026-11-30T02:00',
    ]);
  });

  it('takes a step from * for a restriction, and only a bare * or ? for none', () => {
    expect(fires('0 2 */10 * mon', 'UTC', '2026-11-09T12:00Z', 3)).toEqual(['2026-11-11T02:00', '2026-11-16T02:00', '2026-11-21T02:00']);
    expect(fires('0 2 1-31 * mon', 'UTC', '2026-11-09T12:00Z', 2)).toEqual(['2026-11-10T02:00', '2026-11-11T02:00']);
    expect(fires('0 2 ? * mon', 'UTC', '2026-11-09T12:00Z', 2)).toEqual(['2026-11-16T02:00', '2026-11-23T02:00']);
  });

  it('goes over the eight years without a 29 February', () => {
    expect(fires('0 0 29 2 *', 'UTC', '2096-03-01T00:00Z', 1)).toEqual(['2104-02-29T00:00']);
  });

  it('refuses a zone that is not known', () => {
    expect(() => fires('0 2 * * *', 'Europe/Atlantis', '2026-01-01T00:00Z', 1)).toThrow('time zone "Europe/Atlantis" is not known');
  });

  it.each([
    // Spring: 02:00 becomes 03:00 at 01:00 UTC.
    ['Europe/Vienna', '30 2 * * *', '2026-03-27T12:00Z', '2026-03-28T01:30 2026-03-29T01:00 2026-03-30T00:30'],
    ['Europe/Vienna', '0 3 * * *', '2026-03-28T12:00Z', '2026-03-29T01:00 2026-03-30T01:00'],
    ['Europe/Vienna', '15 2,3 * * *', '2026-03-28T12:00Z', '2026-03-29T01:00 2026-03-29T01:15 2026-03-30T00:15'],
    ['Europe/Vienna', '0 2,3 * * *', '2026-03-28T12:00Z', '2026-03-29T01:00 2026-03-30T00:00'],
    ['Europe/Vienna', '30 * * * *', '2026-03-29T00:00Z', '2026-03-29T00:30 2026-03-29T01:30'],
    ['Europe/Vienna', '30 */2 * * *', '2026-03-28T22:45Z', '2026-03-28T23:30 2026-03-29T02:30'],
    ['Europe/Vienna', '@daily', '2026-03-28T12:00Z', '2026-03-28T23:00 2026-03-29T22:00'],
    // Autumn: 03:00 becomes 02:00 at 01:00 UTC.
    ['Europe/Vienna', '30 2 * * *', '2026-10-24T12:00Z', '2026-10-25T00:30 2026-10-26T01:30'],
    ['Europe/Vienna', '0,30 2 * * *', '2026-10-24T12:00Z', '2026-10-25T00:00 2026-10-25T00:30 2026-10-26T01:00'],
    ['Europe/Vienna', '30 * * * *', '2026-10-24T23:45Z', '2026-10-25T00:30 2026-10-25T01:30 2026-10-25T02:30'],
    ['Europe/Vienna', '30 */2 * * *', '2026-10-24T23:45Z', '2026-10-25T00:30 2026-10-25T01:30 2026-10-25T03:30'],
    ['Europe/Vienna', '*/30 2 * * *', '2026-10-24T12:00Z', '2026-10-25T00:00 2026-10-25T00:30 2026-10-25T01:00 2026-10-25T01:30'],
    // 02:00 becomes 03:00 at 07:00 UTC, 02:00 becomes 01:00 at 06:00 UTC.
    ['America/New_York', '30 2 * * *', '2026-03-07T12:00Z', '2026-03-08T07:00 2026-03-09T06:30'],
    ['America/New_York', '30 1 * * *', '2026-10-31T12:00Z', '2026-11-01T05:30 2026-11-02T06:30'],
    // Half an hour: 02:00 becomes 02:30 at 15:30 UTC, 02:00 becomes 01:30 at 15:00 UTC.
    ['Australia/Lord_Howe', '15 2 * * *', '2026-10-02T16:00Z', '2026-10-03T15:30 2026-10-04T15:15'],
    ['Australia/Lord_Howe', '45 1 * * *', '2026-04-03T16:00Z', '2026-04-04T14:45 2026-04-05T15:15'],
    ['Australia/Lord_Howe', '*/30 * * * *', '2026-04-04T14:15Z', '2026-04-04T14:30 2026-04-04T15:00 2026-04-04T15:30'],
    // Back for Ramadan (03:00 becomes 02:00 at 02:00 UTC) and forward after it (02:00 becomes 03:00 at 02:00 UTC).
    ['Africa/Casablanca', '30 2 * * *', '2025-02-22T12:00Z', '2025-02-23T01:30 2025-02-24T02:30'],
    ['Africa/Casablanca', '30 2 * * *', '2025-04-05T12:00Z', '2025-04-06T02:00 2025-04-07T01:30'],
    // 30 December 2011 was left out.
    ['Pacific/Apia', '0 2 * * *', '2011-12-28T12:30Z', '2011-12-29T12:00 2011-12-30T12:00 2011-12-31T12:00'],
    ['Pacific/Apia', '0 2 30 12 *', '2011-12-01T00:00Z', '2012-12-29T12:00'],
    // Midnight became 01:00 at 03:00 UTC, and 23:00 of the day before at 02:00 UTC.
    ['America/Sao_Paulo', '0 0 * * *', '2018-11-03T12:00Z', '2018-11-04T03:00 2018-11-05T02:00'],
    ['America/Sao_Paulo', '0 0 * * sun', '2018-11-03T12:00Z', '2018-11-04T03:00 2018-11-11T02:00'],
    ['America/Sao_Paulo', '30 23 * * *', '2018-02-17T12:00Z', '2018-02-18T01:30 2018-02-19T02:30'],
    // 05:45 from UTC; 05:30 until 1985, with a change of a quarter of an hour at midnight.
    ['Asia/Kathmandu', '30 2 * * *', '2026-06-01T00:00Z', '2026-06-01T20:45 2026-06-02T20:45'],
    ['Asia/Kathmandu', '10 0 * * *', '1985-12-31T12:00Z', '1985-12-31T18:30 1986-01-01T18:25'],
  ])('in %s %j after %s', (zone, expression, from, expected) => {
    const all = expected.split(' ');
    expect(fires(expression, zone, from, all.length)).toEqual(all);
  });

  it('fires after a gap that reaches midnight too, where croner goes without', () => {
    // 28 March 2026, 23:00 becomes 29 March, 00:00, at 01:00 UTC.
    expect(fires('30 23 * * *', 'America/Nuuk', '2026-03-28T12:00Z', 2)).toEqual(['2026-03-29T01:00', '2026-03-30T00:30']);
    expect(croner('30 23 * * *', 'America/Nuuk').nextRun(new Date('2026-03-28T12:00Z'))?.toISOString()).toBe('2026-03-30T00:30:00.000Z');
  });

  it('knows changes of more than three hours, where croner takes the second showing for the only one', () => {
    // 1 February 1994, 00:00 became 31 January, 17:00, at 17:00 UTC.
    expect(fires('0 22 * * *', 'Antarctica/Vostok', '1994-01-31T00:00Z', 2)).toEqual(['1994-01-31T15:00', '1994-02-01T22:00']);
    expect(croner('0 22 * * *', 'Antarctica/Vostok').nextRun(new Date('1994-01-31T00:00Z'))?.toISOString()).toBe(
      '1994-01-31T22:00:00.000Z',
    );
  });

  it('looks a year ahead in well under a millisecond', () => {
    const schedule = parseSchedule('30 2 29 3 *');
    const started = process.cpuUsage();
    for (let day = 0; day < 1000; day++) nextFire(schedule, 'Europe/Vienna', new Date(Date.UTC(2026, 2, 30) + day * dayMs));
    // Of the processor: how long it takes is a matter of who else wants it.
    expect(process.cpuUsage(started).user / 1000 / 1000).toBeLessThan(1);
  });
});

function croner(expression: string, timezone: string): Cron {
  return new Cron(expression, { timezone, fixedTimeRule: 'no-wildcard', mode: '5-part', paused: true });
}

/** Half-weeks in which a zone changes its clocks. */
function changes(timeZone: string): number[] {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  const offset = (instant: number): string => format.format(instant).split('GMT')[1]!;
  const found: number[] = [];
  const step = 3.5 * dayMs;
  for (let at = Date.UTC(firstYear), was = offset(at); at < Date.UTC(lastYear + 1); at += step) {
    const is = offset(at + step);
    if (is !== was) found.push(at);
    was = is;
  }
  return found;
}

function field(low: number, high: number): fc.Arbitrary<string> {
  const value = fc.integer({ min: low, max: high });
  const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const step = fc.integer({ min: 1, max: Math.min(12, high) });
  return fc.oneof(
    { weight: 3, arbitrary: value.map(String) },
    fc.uniqueArray(value, { minLength: 2, maxLength: 3 }).map(values => values.join(',')),
    range,
    fc.tuple(fc.oneof(range, fc.constant('*')), step).map(parts => parts.join('/')),
    fc.constant('*'),
  );
}

const mostlyAny = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant('*') }, arbitrary);
/** Clocks change at night. */
const hour = fc.oneof({ weight: 4, arbitrary: field(0, 3) }, field(22, 23), field(0, 23));
const expressions = fc
  .tuple(field(0, 59), hour, mostlyAny(field(1, 28)), mostlyAny(field(1, 12)), mostlyAny(field(0, 6)))
  .map(parts => parts.join(' '));

/** Mostly near a change of the clocks. */
function instants(near: readonly number[]): fc.Arbitrary<number> {
  const any = fc.integer({ min: Date.UTC(firstYear), max: Date.UTC(lastYear) });
  if (near.length === 0) return any;
  const close = fc.tuple(fc.constantFrom(...near), fc.integer({ min: 0, max: 3.5 * dayMs })).map(([at, more]) => at + more);
  return fc.oneof({ weight: 5, arbitrary: close }, any);
}

/** Is this the end of a gap that lies across midnight? There croner drops what was skipped of the day before. */
function endsGapAtMidnight(timeZone: string, at: Date): boolean {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const shown = [-1000, 0].map(ms => format.format(at.getTime() + ms));
  const [before, after] = shown.map(text => Date.parse(`${text.replace(' ', 'T')}Z`));
  return after! - before! > 1000 && shown[0]!.slice(0, 10) !== shown[1]!.slice(0, 10);
}

describe(`every zone, ${firstYear} to ${lastYear}`, () => {
  const zones = allZones();

  it('are those that ICU lists, UTC, fixed offsets and old names', () => {
    expect(zones.length).toBeGreaterThan(Intl.supportedValuesOf('timeZone').length + 50);
    for (const zone of ['UTC', 'Etc/UTC', 'Etc/GMT+12', 'Etc/GMT-14', 'EST5EDT', 'US/Pacific', 'Asia/Calcutta'])
      expect(zones).toContain(zone);
  });

  it('fires when croner does, and the past is what the future was', { timeout: 180_000 }, () => {
    for (const zone of zones) {
      fc.assert(
        fc.property(expressions, instants(changes(zone)), fc.double({ min: 0, max: 1, noNaN: true }), (expression, start, part) => {
          const schedule = parseSchedule(expression);
          const peer = croner(expression, zone);
          for (let count = 0, from = new Date(start); count < firesPerRun; count++) {
            const about = `${zone} ${expression} after ${from.toISOString()}`;
            const ours = nextFire(schedule, zone, from)!;
            const theirs = peer.nextRun(from)!;
            if (ours.getTime() !== theirs.getTime()) {
              expect(ours.getTime(), about).toBeLessThan(theirs.getTime());
              expect(endsGapAtMidnight(zone, ours), about).toBe(true);
            }
            expect(previousFire(schedule, zone, new Date(ours.getTime() + 1)), about).toEqual(ours);
            const between = new Date(from.getTime() + 1 + Math.floor(part * (ours.getTime() - from.getTime() - 1)));
            const past = previousFire(schedule, zone, between)!;
            expect(past.getTime(), about).toBeLessThan(between.getTime());
            expect(nextFire(schedule, zone, past), about).toEqual(ours);
            from = ours;
          }
        }),
        { numRuns: runsPerZone },
      );
    }
  });
});
