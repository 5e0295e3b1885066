import { stripVTControlCharacters } from 'node:util';

/** `12,340` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 object`, `12,340 objects`; irregular plurals are given. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Binary size with three digits: `812 B`, `1.44 MiB`, `23.1 GiB`, `512 KiB`. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `0.4s`, `12.3s`, `2m05s`, `1h04m`. */
export function duration(ms: number): string {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
}

/** Age as kubectl writes it: `45s`, `12m`, `5h20m`, `3d4h`, `45d`, `2y40d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    `${big}${bigUnit}${small > 0 ? `${small}${smallUnit}` : ''}`;
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return hours < 8 ? pair(hours, 'h', minutes % 60, 'm') : `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return pair(days, 'd', hours % 24, 'h');
  return days < 730 ? `${days}d` : pair(Math.floor(days / 365), 'y', days % 365, 'd');
}

/** `2026-11-23 02:00:05Z`: UTC, to the second; text that is no time is given back as it is. */
export function time(at: string | Date): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime())
    ? String(at)
    : date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z');
}

/** Foreign text for a terminal: control characters, which could move the cursor or hide lines, are shown as `\x1b`; line breaks as spaces. */
export function printable(text: string): string {
  return text
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, char => `\\x${char.codePointAt(0)?.toString(16).padStart(2, '0')}`);
}

// East Asian wide characters and emoji, as terminals draw them (UAX #11).
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const combining = /\p{Mn}/u;

/** Columns it takes on a terminal, escape codes not counted. */
export function width(text: string): number {
  let columns = 0;
  for (const char of stripVTControlCharacters(text)) columns += wide.test(char) ? 2 : combining.test(char) ? 0 : 1;
  return columns;
}

/** Cut at the end with `…` so that it takes no more than `most` characters. */
export function shortened(text: string, most: number): string {
  return width(text) <= most ? text : `${[...text].slice(0, Math.max(0, most - 1)).join('')}…`;
}

/** Breaks at spaces so that no line is longer than `most`, as far as the words allow. */
export function wrapped(text: string, most: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && width(line) + 1 + width(word) > most) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
