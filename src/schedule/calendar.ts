import type { Period } from '../domain/policy.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** The last moment that has a year of four digits; what lies beyond it counts as it. */
const lastMoment = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * The moment that lies a period later; both are milliseconds since 1970. Months and years are those of the calendar in UTC, and a day that
 * the month does not have becomes its last: 31 January and a month is 28 or 29 February. Ends at the end of the year 9999.
 */
export function addPeriod(moment: number, { count, unit }: Period): number {
  switch (unit) {
    case 'hour':
      return atMost(moment + count * hourMs);
    case 'day':
      return atMost(moment + count * dayMs);
    case 'week':
      return atMost(moment + count * 7 * dayMs);
    case 'month':
      return addMonths(moment, count);
    case 'year':
      return addMonths(moment, count * 12);
  }
}

function addMonths(moment: number, count: number): number {
  const date = new Date(moment);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + count];
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const midnight = Date.UTC(year, month, Math.min(date.getUTCDate(), lastDay));
  return atMost(midnight + (moment - Date.UTC(year, date.getUTCMonth(), date.getUTCDate())));
}

function atMost(moment: number): number {
  return Math.min(moment, lastMoment);
}

/** A day, ISO week (from Monday), month or year of the calendar in UTC. */
export interface CalendarPeriod {
  /** `2026-11-23`, `2026-W48`, `2026-11` or `2026`. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly start: number;
}

/** The period that a moment (milliseconds since 1970) lies in. */
export function periodAt(moment: number, unit: 'day' | 'week' | 'month' | 'year'): CalendarPeriod {
  const day = Math.floor(moment / dayMs) * dayMs;
  const date = new Date(day).toISOString().slice(0, 10);
  switch (unit) {
    case 'day':
      return { name: date, start: day };
    case 'week':
      return isoWeek(day);
    case 'month':
      return { name: date.slice(0, 7), start: Date.parse(`${date.slice(0, 7)}-01T00:00:00Z`) };
    case 'year':
      return { name: date.slice(0, 4), start: Date.parse(`${date.slice(0, 4)}-01-01T00:00:00Z`) };
  }
}

/** ISO 8601: a week belongs to the year that its Thursday lies in. */
function isoWeek(day: number): CalendarPeriod {
  const monday = day - ((new Date(day).getUTCDay() + 6) % 7) * dayMs;
  const thursday = monday + 3 * dayMs;
  const year = new Date(thursday).getUTCFullYear();
  const week = 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * dayMs));
  return { name: `${year}-W${String(week).padStart(2, '0')}`, start: monday };
}
