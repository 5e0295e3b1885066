import { z } from 'zod';
import { formatDuration, parseDuration } from '../domain/duration.ts';
import type { Period, PeriodUnit } from '../domain/policy.ts';

/** What else is known of a kind of value: for the reference, for editors, and for what belongs to the folder of its file. */
export interface ValueKind {
  /** `duration`, `list of text`. */
  readonly name: string;
  /** Names a file or folder; with `or URL`, a URL is left as it is. */
  readonly isPath?: true | 'or URL';
  /** May carry a secret in it, as the addresses of chat hooks do: only its host is ever shown. */
  readonly isSecret?: true;
  /** How it is written, as JSON Schema, where that differs from what it becomes. */
  readonly written?: Readonly<Record<string, unknown>>;
  /** What it has become, as it would be written. */
  show?(value: unknown): string;
}

/** Kinds of the values below; a description added to one keeps its kind. */
export const valueKinds = z.registry<ValueKind>();

function kind<Schema extends z.ZodType>(schema: Schema, facts: ValueKind): Schema {
  valueKinds.add(schema, facts);
  return schema;
}

/** Words of a value as it stands in a message; only for settings that can hold no secret. */
const quoted = (value: unknown) => (typeof value === 'string' ? `"${value}"` : JSON.stringify(value));

const plainText = () => z.string('must be text').trim().min(1, 'must not be empty');

export const text = kind(plainText(), { name: 'text' });

/** Text that may be empty, in the file. */
export const textOrNone = kind(z.string('must be text'), { name: 'text' });

/** Text that names a file or folder; relative ones are resolved by whoever knows where they were written. */
export const path = kind(plainText(), { name: 'path', isPath: true });

/** A folder, or a URL with its own scheme. */
export const location = kind(plainText(), { name: 'path or URL', isPath: 'or URL' });

/** Text in which commas separate entries, or a list. */
export const list = kind(
  z.preprocess(
    value => (typeof value === 'string' ? value.split(',').map(part => part.trim()) : value),
    z.array(z.string('must be text').min(1, 'must not have empty entries'), 'must be a list, or text with commas'),
  ),
  {
    name: 'list',
    written: {
      anyOf: [
        { type: 'array', items: { type: 'string', minLength: 1 } },
        { type: 'string', minLength: 1 },
      ],
    },
  },
);

/** A list of words, run as they are, or a line for a shell. */
export const command = kind(
  z.preprocess(
    value => (typeof value === 'string' && value.trim() !== '' ? ['sh', '-c', value] : value),
    z.array(z.string('must be text'), 'must be a list of words, or a line for sh -c').min(1, 'must not be empty'),
  ),
  {
    name: 'command',
    written: {
      anyOf: [
        { type: 'array', items: { type: 'string' }, minItems: 1 },
        { type: 'string', minLength: 1 },
      ],
    },
  },
);

export const flag = kind(
  z.preprocess(
    value => (typeof value === 'string' ? { true: true, '1': true, false: false, '0': false }[value.trim().toLowerCase()] : value),
    z.boolean('must be true or false'),
  ),
  { name: 'true or false', written: { type: 'boolean' } },
);

export function wholeNumber(least: number, most: number) {
  const schema = z.preprocess(
    value => (typeof value === 'string' && /^\s*\d+\s*$/.test(value) ? (safe(Number(value)) ?? value) : value),
    z
      .int({ error: issue => `must be a whole number, not ${quoted(issue.input)}` })
      .min(least, `must be at least ${least}`)
      .max(most, `must be at most ${most}`),
  );
  return kind(schema, { name: 'whole number', written: { type: 'integer', minimum: least, maximum: most } });
}

/** What is far beyond any lifetime is a slip of the keyboard, and dates cannot be reckoned with it. */
const longestDuration = 1000 * 365 * 86_400_000;

function durationFrom(least: number, tooShort: string, most = longestDuration) {
  const schema = z.preprocess(
    // A number that JavaScript cannot hold stays text, so that the message says what was written.
    value => (typeof value === 'string' ? (safe(parseDuration(value.trim())) ?? value) : value),
    z
      .int({ error: issue => `must be a duration such as 90s, 10m or 1h30m, not ${quoted(issue.input)}` })
      .min(least, tooShort)
      .max(most, `must be at most ${formatDuration(most)}`),
  );
  return kind(schema, {
    name: 'duration',
    written: { type: 'string', pattern: '^([0-9]+(ms|s|m|h|d))+$' },
    show: value => formatDuration(Number(value)),
  });
}

/** Milliseconds, written `90s`, `10m`, `1h30m`, `90d`. */
export const duration = durationFrom(1, 'must be longer than nothing');

/** Like `duration`, but no longer than one timer can wait. */
export const timerDuration = durationFrom(1, 'must be longer than nothing', 24 * 86_400_000);

/** Like `duration`, but `0s` is one too. */
export const durationOrNone = durationFrom(0, 'must not be negative');

const periodUnits: Readonly<Record<string, PeriodUnit>> = { h: 'hour', d: 'day', w: 'week', mo: 'month', y: 'year' };

/** Calendar time, written `24h`, `30d`, `12w`, `12mo`, `7y`. */
export const period = kind(
  z.string('must be a period such as 24h, 30d, 12w, 12mo or 7y').transform((value, context): Period => {
    const [, count, unit] = /^([1-9]\d{0,4})(h|d|w|mo|y)$/.exec(value.trim()) ?? [];
    const name = periodUnits[unit ?? ''];
    if (name !== undefined) return { count: Number(count), unit: name };
    context.addIssue({ code: 'custom', message: `must be a period such as 24h, 30d, 12w, 12mo or 7y, not ${quoted(value)}` });
    return z.NEVER;
  }),
  {
    name: 'period',
    written: { type: 'string', pattern: '^[1-9][0-9]{0,4}(h|d|w|mo|y)$' },
    show: value => formatPeriod(value as Period),
  },
);

/** The text that is read as this period. */
export function formatPeriod({ count, unit }: Period): string {
  return `${count}${Object.keys(periodUnits).find(letters => periodUnits[letters] === unit)}`;
}

function safe(value: number | undefined): number | undefined {
  return value === undefined || Number.isSafeInteger(value) ? value : undefined;
}

const sizeUnits: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Bytes, written `512KiB`, `1MiB`, or as a number. */
export const size = kind(
  z.preprocess(
    value => {
      const [, count, unit] = (typeof value === 'string' && /^\s*(\d+)\s*(KiB|MiB|GiB)?\s*$/.exec(value)) || [];
      return count === undefined ? value : (safe(Number(count) * (sizeUnits[unit ?? ''] ?? 1)) ?? value);
    },
    z.int({ error: issue => `must be a size such as 512KiB or 1MiB, not ${quoted(issue.input)}` }).min(1, 'must be more than nothing'),
  ),
  {
    name: 'size',
    written: {
      anyOf: [
        { type: 'string', pattern: '^[0-9]+(KiB|MiB|GiB)$' },
        { type: 'integer', minimum: 1 },
      ],
    },
    show: value => {
      const unit = Object.entries(sizeUnits).findLast(([, bytes]) => Number(value) % bytes === 0);
      return unit === undefined ? String(value) : `${Number(value) / unit[1]}${unit[0]}`;
    },
  },
);

/** A share of a whole, above 0 and at most 1, written `25%`. */
export const share = kind(
  z.preprocess(
    value => {
      const [, percent] = (typeof value === 'string' && /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(value)) || [];
      return percent === undefined ? value : Number(percent) / 100;
    },
    z
      .number({ error: issue => `must be a share such as 25%, not ${quoted(issue.input)}` })
      .gt(0, 'must be more than 0%')
      .max(1, 'must be at most 100%'),
  ),
  {
    name: 'share',
    written: { type: 'string', pattern: '^[0-9]+([.][0-9]+)?%$' },
    show: value => `${Number((Number(value) * 100).toPrecision(12))}%`,
  },
);

/** `host:port` to listen on or connect to; `:port` for all addresses of the machine, port 0 for any that is free. */
export const address = kind(
  plainText().refine(value => parseAddress(value) !== undefined, {
    error: issue => `must be an address such as 127.0.0.1:8443, [::1]:8443 or :8443, not ${quoted(issue.input)}`,
  }),
  { name: 'address' },
);

/** Host (empty for all addresses) and port; undefined where the text is no address. */
export function parseAddress(value: string): { readonly host: string; readonly port: number } | undefined {
  const [, bracketed, name = '', digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/.exec(value) ?? [];
  const port = Number(digits);
  return digits === undefined || port > 65_535 ? undefined : { host: bracketed ?? name, port };
}

const webUrl = () =>
  plainText().refine(
    value => /^https?:$/.test(URL.parse(value)?.protocol ?? ''),
    'must be an address that begins with https:// or http://',
  );

export const url = kind(webUrl(), { name: 'URL' });

/** A URL whose path is a credential. */
export const secretUrl = kind(webUrl(), { name: 'URL', isSecret: true, show: value => `${URL.parse(String(value))?.origin}/…` });

/** Lower-case words joined by `-`: what a set can be labelled with. */
export const label = kind(
  plainText()
    .max(63, 'must be at most 63 characters')
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case letters and digits with single dashes between'),
  { name: 'name' },
);

/** A label that begins with a letter: a key of a map, where names of digits alone would not keep their place. */
export const key = kind(
  plainText()
    .max(63, 'must be at most 63 characters')
    .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'must be lower-case letters and digits with single dashes between, and begin with a letter'),
  { name: 'name' },
);

/** IANA name of a time zone that this machine knows. */
export const timeZone = kind(
  plainText().refine(isTimeZone, { error: issue => `must be a time zone such as UTC or Europe/Vienna, not ${quoted(issue.input)}` }),
  { name: 'time zone' },
);

function isTimeZone(name: string): boolean {
  // Offsets such as +01:00 are understood by Intl, but have no rules for summer time.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return kind(z.enum(words, `must be ${choice(words)}`), { name: choice(words) });
}

/** A list of some of the words, none twice; `what` says what they are. */
export function wordList<const Words extends readonly [string, ...string[]]>(words: Words, what: string) {
  const schema = z
    .array(z.enum(words, `must be ${choice(words)}`), `must be a list of ${what}`)
    .min(1, `must not be empty: there are ${words.join(', ')}`)
    .refine(given => new Set(given).size === given.length, 'must not name one twice');
  return kind(schema, { name: `some of ${words.join(', ')}` });
}

function choice(words: readonly string[]): string {
  const others = words.slice(0, -1);
  return others.length === 0 ? `${words[0]}` : `${others.join(', ')} or ${words.at(-1)}`;
}
