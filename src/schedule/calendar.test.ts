import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Period } from '../domain/policy.ts';
import { addPeriod, periodAt } from './calendar.ts';

function later(from: string, count: number, unit: Period['unit']): string {
  return new Date(addPeriod(Date.parse(from), { count, unit })).toISOString();
}

describe('a period later', () => {
  it.each([
    ['2026-11-23T02:00:00.000Z', 30, 'day', '2026-12-23T02:00:00.000Z'],
    ['2026-11-23T02:00:00.000Z', 36, 'hour', '2026-11-24T14:00:00.000Z'],
    ['2026-11-23T02:00:00.000Z', 12, 'week', '2027-02-15T02:00:00.000Z'],
    ['2026-11-23T02:00:00.123Z', 12, 'month', '2027-11-23T02:00:00.123Z'],
    ['2026-01-31T23:59:59.999Z', 1, 'month', '2026-02-28T23:59:59.999Z'],
    ['2024-01-31T02:00:00.000Z', 1, 'month', '2024-02-29T02:00:00.000Z'],
    ['2026-12-31T02:00:00.000Z', 2, 'month', '2027-02-28T02:00:00.000Z'],
    ['2024-02-29T02:00:00.000Z', 7, 'year', '2031-02-28T02:00:00.000Z'],
    ['2024-02-29T02:00:00.000Z', 4, 'year', '2028-02-29T02:00:00.000Z'],
    ['2026-11-23T02:00:00.000Z', 99_999, 'year', '9999-12-31T23:59:59.999Z'],
  ] as const)('of %s: %i %s(s)', (from, count, unit, to) => {
    expect(later(from, count, unit)).toBe(to);
  });

  it('has the same time of day, and the same day of the month or its last', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1970-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }),
        fc.nat(600),
        (from, count) => {
          const to = new Date(addPeriod(from.getTime(), { count, unit: 'month' }));
          const dayAfter = new Date(to.getTime() + 86_400_000);
          const months = (date: Date) => date.getUTCFullYear() * 12 + date.getUTCMonth();
          expect(to.toISOString().slice(10)).toBe(from.toISOString().slice(10));
          expect(months(to) - months(from)).toBe(count);
          if (to.getUTCDate() !== from.getUTCDate())
            expect([to.getUTCDate() < from.getUTCDate(), dayAfter.getUTCDate()]).toEqual([true, 1]);
        },
      ),
    );
  });
});

describe('the period of a moment', () => {
  it.each([
    ['2026-11-23T02:00:00Z', 'day', '2026-11-23', '2026-11-23'],
    ['2026-11-23T02:00:00Z', 'week', '2026-W48', '2026-11-23'],
    ['2026-11-22T23:59:59Z', 'week', '2026-W47', '2026-11-16'],
    ['2027-01-01T00:00:00Z', 'week', '2026-W53', '2026-12-28'],
    ['2024-12-30T00:00:00Z', 'week', '2025-W01', '2024-12-30'],
    ['2026-11-30T23:59:59Z', 'month', '2026-11', '2026-11-01'],
    ['2026-01-01T00:00:00Z', 'year', '2026', '2026-01-01'],
    ['2025-12-31T23:59:59Z', 'year', '2025', '2025-01-01'],
    ['1969-12-31T23:59:59Z', 'day', '1969-12-31', '1969-12-31'],
  ] as const)('of %s, %s', (moment, unit, name, start) => {
    expect(periodAt(Date.parse(moment), unit)).toEqual({ name, start: Date.parse(`${start}T00:00:00Z`) });
  });

  it('holds it, and the next begins where it ends', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Date.UTC(2200, 0) }),
        fc.constantFrom('day' as const, 'week' as const, 'month' as const, 'year' as const),
        (moment, unit) => {
          const { name, start } = periodAt(moment, unit);
          const next = addPeriod(start, { count: 1, unit });
          expect(start <= moment && moment < next).toBe(true);
          expect([periodAt(start, unit).name, periodAt(next - 1, unit).name, periodAt(next, unit).start]).toEqual([name, name, next]);
        },
      ),
    );
  });
});
