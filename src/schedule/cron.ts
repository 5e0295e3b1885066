import { validateDetailed } from 'node-cron';
import { HoldfastError } from '../domain/errors.ts';
import { type ClockChange, type Showing, wallTime, whenShown } from './zone-time.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** From one 29 February to the next it can be eight years; a schedule without a match in this many days has none. */
const mostDays = 12 * 366;

/** A cron expression, read once. */
export interface Schedule {
  /** As it was written. */
  readonly text: string;
  /** Minutes since midnight, ascending; never empty. */
  readonly times: readonly number[];
  /** 1 to 12. */
  readonly months: ReadonlySet<number>;
  /** 1 to 31; absent where any will do. */
  readonly daysOfMonth?: ReadonlySet<number>;
  /** 0 (Sunday) to 6; absent where any will do. */
  readonly daysOfWeek?: ReadonlySet<number>;
  /** Does it name its times (`30 2 * * *`), rather than an interval (a `*` or a step in minute or hour)? */
  readonly fixed: boolean;
}

interface Field {
  readonly key: 'minute' | 'hour' | 'dayOfMonth' | 'month' | 'dayOfWeek';
  readonly label: string;
  readonly allowed: string;
  /** How many values there are. */
  readonly size: number;
  readonly last: number;
  /** One value, as a regular expression. */
  readonly value: string;
}

const monthNames =
  'jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?';
const weekdayNames = 'sun(?:day)?|mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?';

const fields: readonly Field[] = [
  { key: 'minute', label: 'minute', allowed: '0 to 59', size: 60, last: 59, value: '\\d+' },
  { key: 'hour', label: 'hour', allowed: '0 to 23', size: 24, last: 23, value: '\\d+' },
  { key: 'dayOfMonth', label: 'day of month', allowed: '1 to 31', size: 31, last: 31, value: '\\d+' },
  { key: 'month', label: 'month', allowed: '1 to 12 or jan to dec', size: 12, last: 12, value: `\\d+|${monthNames}` },
  { key: 'dayOfWeek', label: 'day of week', allowed: '0 to 7 or sun to sat', size: 7, last: 6, value: `\\d+|${weekdayNames}` },
];

const nicknames: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const hint =
  'write five fields (minute, hour, day of month, month, day of week), such as "30 2 * * *", or @hourly, @daily, @weekly, @monthly, @yearly';

/**
 * Reads a cron expression: five fields with names, ranges, steps and lists, or a nickname as a CronJob knows it. CONFIG_INVALID, naming the
 * field and the reason, for anything else: seconds, `L`, `W`, `#`, and dates that no year has, such as 30 February.
 */
export function parseSchedule(text: string): Schedule {
  const trimmed = text.trim();
  const parts = (nicknames[trimmed.toLowerCase()] ?? trimmed).split(/\s+/);
  if (/^(cron_)?tz=/i.test(trimmed)) throw invalid(text, 'the time zone is a setting of its own');
  if (trimmed.startsWith('@') && parts.length === 1) throw invalid(text, `there is no nickname ${trimmed}`);
  if (parts.length !== fields.length) throw invalid(text, `it has ${trimmed === '' ? 0 : parts.length} of five fields${seconds(parts)}`);
  for (const [index, field] of fields.entries()) checkField(text, field, parts[index]!);
  const { fields: read, errors } = validateDetailed(parts.join(' '));
  if (read === undefined) throw invalid(text, refusal(parts, errors[0]));
  const isAny = (part: string | undefined): boolean => part === '*' || part === '?';
  const minutes = numbers(read.minute);
  return {
    text,
    times: numbers(read.hour).flatMap(hour => minutes.map(minute => hour * 60 + minute)),
    months: new Set(numbers(read.month)),
    ...(!isAny(parts[2]) && { daysOfMonth: new Set(numbers(read.dayOfMonth)) }),
    ...(!isAny(parts[4]) && { daysOfWeek: new Set(numbers(read.dayOfWeek)) }),
    fixed: !/[*/]/.test(`${parts[0]} ${parts[1]}`),
  };
}

function invalid(text: string, reason: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `schedule ${JSON.stringify(text)}: ${reason}`, { hint });
}

function seconds(parts: readonly string[]): string {
  return parts.length === 6 ? '; seconds are not offered' : '';
}

/** What node-cron takes, but other readers of cron expressions take differently or not at all. */
function checkField(text: string, field: Field, part: string): void {
  const named = `${field.label} ${JSON.stringify(part)}`;
  const value = `(?:${field.value})`;
  if (field.key.startsWith('day') && part === '?') return;
  for (const token of part.split(',')) {
    if (new RegExp(`^${value}/\\d+$`, 'i').test(token)) {
      throw invalid(text, `${named} has a step without a range: write ${token.replace('/', `-${field.last}/`)}, or */n`);
    }
    const match = new RegExp(`^(?:\\*|${value}|${value}-${value})(?:/(\\d+))?$`, 'i').exec(token);
    if (match === null) throw invalid(text, refused(field, part));
    if (Number(match[1] ?? 1) > field.size) throw invalid(text, `${named} has a step beyond its ${field.size} values`);
  }
}

function refused(field: Field, part: string): string {
  return `${field.label} ${JSON.stringify(part)} is not made of ${field.allowed}, ranges (2-4), steps (*/2, 0-20/5) and lists (1,3)`;
}

function refusal(parts: readonly string[], error: { readonly field: string; readonly message: string } | undefined): string {
  const field = fields.find(({ key }) => key === error?.field);
  if (field === undefined) return error?.message ?? 'it is malformed';
  if (error?.message.includes('impossible')) return `day of month ${JSON.stringify(parts[2])} is in no month ${JSON.stringify(parts[3])}`;
  return refused(field, parts[fields.indexOf(field)]!);
}

/** Ascending, each once. */
function numbers(values: readonly (number | string)[]): number[] {
  return [...new Set(values.map(Number))].sort((a, b) => a - b);
}

/**
 * The first time after `after` at which a schedule fires by the clocks of a zone; undefined where it never does. CONFIG_INVALID for an
 * unknown zone. What happens when the clocks change, as in croner 11 with `fixedTimeRule: 'no-wildcard'` (close to Vixie cron):
 *
 * - A schedule that names its times (no `*`, no step in minute and hour) fires once for each: a time that the clocks skip at the instant
 *   the gap ends, a time that they show twice when they show it first. A day that the zone leaves out altogether has no fires.
 * - One with a `*` or a step in minute or hour keeps its interval: it fires both times that a time is shown, and not for skipped times.
 *
 * Croner drops a skipped time when the gap ends at midnight or later (23:30 in America/Nuuk); here it fires then, as any other.
 */
export function nextFire(schedule: Schedule, timeZone: string, after: Date): Date | undefined {
  const instant = after.getTime();
  const wall = wallTime(timeZone, instant);
  const direct = searchForwards(schedule, timeZone, wall + 1, instant);
  return asDate(direct, firstOfSecondShowing(schedule, whenShown(timeZone, wall), instant), Math.min);
}

/** The last time before `before` at which a schedule fired: by the same rules, the same times as `nextFire` gives. */
export function previousFire(schedule: Schedule, timeZone: string, before: Date): Date | undefined {
  const instant = before.getTime();
  const wall = wallTime(timeZone, instant);
  const showing = whenShown(timeZone, wall);
  const secondTime = showing.kind === 'twice' && instant >= showing.change.at;
  // By the second time, all that the clocks showed twice has been shown.
  const from = schedule.fixed && secondTime ? showing.change.wallBefore - 1 : wall - 1;
  return asDate(searchBackwards(schedule, timeZone, from, instant), lastOfFirstShowing(schedule, showing, instant), Math.max);
}

function asDate(one: number | undefined, other: number | undefined, choose: (a: number, b: number) => number): Date | undefined {
  if (one === undefined || other === undefined) return one === undefined && other === undefined ? undefined : new Date((one ?? other)!);
  return new Date(choose(one, other));
}

/** The instants at which the schedule fires for a wall time of its own. */
function instants(schedule: Schedule, wall: number, showing: Showing): readonly number[] {
  if (showing.kind === 'once') return [showing.at];
  if (showing.kind === 'twice') return schedule.fixed ? [showing.first] : [showing.first, showing.second];
  return schedule.fixed && !leavesOutDay(showing.change, wall) ? [showing.change.at] : [];
}

/** As Samoa did with 30 December 2011. */
function leavesOutDay({ wallBefore, wallAfter }: ClockChange, wall: number): boolean {
  const midnight = Math.floor(wall / dayMs) * dayMs;
  return wallBefore <= midnight && wallAfter >= midnight + dayMs;
}

function searchForwards(schedule: Schedule, timeZone: string, from: number, instant: number): number | undefined {
  for (let wall = matchFrom(schedule, from); wall !== undefined; ) {
    const showing = whenShown(timeZone, wall);
    const found = instants(schedule, wall, showing).find(at => at > instant);
    if (found !== undefined) return found;
    if (showing.kind === 'twice') wall = matchFrom(schedule, showing.change.wallBefore);
    else wall = matchFrom(schedule, showing.kind === 'never' && !schedule.fixed ? showing.change.wallAfter : wall + 1);
  }
  return undefined;
}

function searchBackwards(schedule: Schedule, timeZone: string, from: number, instant: number): number | undefined {
  for (let wall = matchUpTo(schedule, from); wall !== undefined; ) {
    const showing = whenShown(timeZone, wall);
    const found = instants(schedule, wall, showing).findLast(at => at < instant);
    if (found !== undefined) return found;
    wall = matchUpTo(schedule, showing.kind === 'never' && !schedule.fixed ? showing.change.wallBefore - 1 : wall - 1);
  }
  return undefined;
}

/** While a wall time is shown for the first time: the first fire of the second time round. */
function firstOfSecondShowing(schedule: Schedule, showing: Showing, instant: number): number | undefined {
  if (schedule.fixed || showing.kind !== 'twice' || instant >= showing.change.at) return undefined;
  const { at, wallBefore, wallAfter } = showing.change;
  const wall = matchFrom(schedule, wallAfter);
  return wall === undefined || wall >= wallBefore ? undefined : at + wall - wallAfter;
}

/** While a wall time is shown for the second time: the last fire of the first time round. */
function lastOfFirstShowing(schedule: Schedule, showing: Showing, instant: number): number | undefined {
  if (schedule.fixed || showing.kind !== 'twice' || instant < showing.change.at) return undefined;
  const { at, wallBefore, wallAfter } = showing.change;
  const wall = matchUpTo(schedule, wallBefore - 1);
  return wall === undefined || wall < wallAfter ? undefined : at + wall - wallBefore;
}

/** The first wall time of the schedule at or after `from`. */
function matchFrom(schedule: Schedule, from: number): number | undefined {
  const day = Math.floor(from / dayMs);
  const time = schedule.times.find(minute => day * dayMs + minute * minuteMs >= from);
  if (time !== undefined && dayMatches(schedule, day)) return day * dayMs + time * minuteMs;
  const next = findDay(schedule, day + 1, 1);
  return next === undefined ? undefined : next * dayMs + schedule.times[0]! * minuteMs;
}

/** The last one at or before `upTo`. */
function matchUpTo(schedule: Schedule, upTo: number): number | undefined {
  const day = Math.floor(upTo / dayMs);
  const time = schedule.times.findLast(minute => day * dayMs + minute * minuteMs <= upTo);
  if (time !== undefined && dayMatches(schedule, day)) return day * dayMs + time * minuteMs;
  const previous = findDay(schedule, day - 1, -1);
  return previous === undefined ? undefined : previous * dayMs + schedule.times.at(-1)! * minuteMs;
}

/** Days are counted from 1 January 1970. */
function findDay(schedule: Schedule, from: number, step: 1 | -1): number | undefined {
  for (let day = from; Math.abs(day - from) < mostDays; day += step) if (dayMatches(schedule, day)) return day;
  return undefined;
}

/** As in cron: where day of month and day of week are both restricted, either will do. */
function dayMatches({ months, daysOfMonth, daysOfWeek }: Schedule, day: number): boolean {
  const date = new Date(day * dayMs);
  if (!months.has(date.getUTCMonth() + 1)) return false;
  const byMonth = daysOfMonth?.has(date.getUTCDate());
  const byWeek = daysOfWeek?.has(date.getUTCDay());
  return byMonth === undefined || byWeek === undefined ? (byMonth ?? byWeek ?? true) : byMonth || byWeek;
}
