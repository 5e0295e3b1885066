import { describe, expect, it } from 'vitest';
import { age, count, counted, duration, printable, shortened, size, time, width, wrapped } from './format.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

describe('text for people', () => {
  it.each([
    [0, '0 B'],
    [812, '812 B'],
    [1024, '1.00 KiB'],
    [1_510_000, '1.44 MiB'],
    [25_000_000, '23.8 MiB'],
    [1024 ** 2 - 1, '1.00 MiB'],
    [1024 ** 3 * 512, '512 GiB'],
  ])('has sizes in binary units: %d', (bytes, text) => expect(size(bytes)).toBe(text));

  it.each([
    [0, '0.0s'],
    [412, '0.4s'],
    [59_940, '59.9s'],
    [59_960, '1m00s'],
    [125 * second, '2m05s'],
    [64 * minute, '1h04m'],
    [hour - 100, '1h00m'],
  ])('has durations: %d ms', (ms, text) => expect(duration(ms)).toBe(text));

  it.each([
    [-5 * second, '0s'],
    [45 * second, '45s'],
    [5 * minute + 3 * second, '5m3s'],
    [90 * minute, '90m'],
    [5 * hour + 20 * minute, '5h20m'],
    [30 * hour, '30h'],
    [3 * day + 4 * hour, '3d4h'],
    [45 * day, '45d'],
    [770 * day, '2y40d'],
  ])('has ages as kubectl writes them: %d ms', (ms, text) => expect(age(ms)).toBe(text));

  it('has counts with separators and the right number', () => {
    expect(count(1_234_567)).toBe('1,234,567');
    expect(counted(1, 'backup')).toBe('1 backup');
    expect(counted(0, 'backup')).toBe('0 backups');
    expect(counted(2, 'entry', 'entries')).toBe('2 entries');
  });

  it('has times in UTC to the second', () => {
    expect(time('2026-11-23T02:00:05.123+01:00')).toBe('2026-11-23 01:00:05Z');
    expect(time('not a time')).toBe('not a time');
  });
});

describe('foreign text', () => {
  it('cannot move the cursor, start a colour, break a line or turn its direction', () => {
    expect(printable('a\x1b[2Kb\u009bc')).toBe('a\\x1b[2Kb\\x9bc');
    expect(printable('denied:\n  quota\r\n used')).toBe('denied: quota used');
    expect(printable('abc\u202edef')).toBe('abc\\x202edef');
    expect(printable('schön 日本 ✓')).toBe('schön 日本 ✓');
  });
});

describe('layout', () => {
  it('counts columns, not characters or escape codes', () => {
    expect(width('abc')).toBe(3);
    expect(width('\x1b[31mabc\x1b[39m')).toBe(3);
    expect(width('日本')).toBe(4);
    expect(width('e\u0301')).toBe(1);
  });

  it('cuts and wraps', () => {
    expect(shortened('abcdef', 4)).toBe('abc…');
    expect(shortened('abcd', 4)).toBe('abcd');
    expect(wrapped('one two three four', 9)).toEqual(['one two', 'three', 'four']);
    expect(wrapped('incomprehensibilities', 5)).toEqual(['incomprehensibilities']);
  });
});
