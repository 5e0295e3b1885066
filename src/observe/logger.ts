import { type Logger, pino } from 'pino';
import { redactText } from '../domain/redact-text.ts';
import { redact } from './redact.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export const logFormats = ['json', 'text'] as const;
type LogFormat = (typeof logFormats)[number];

export interface LoggerOptions {
  readonly level: (typeof logLevels)[number];
  /** `json`: one document a line. `text`: for people. Asked for every line where it is a function. */
  readonly format: LogFormat | (() => LogFormat);
  readonly now: () => Date;
  /** Gets each line, with its line break; standard error unless given. */
  readonly write?: (line: string) => void;
  /** What every line has. */
  readonly fields?: Readonly<Record<string, string>>;
}

/**
 * Messages are constant text, and what varies are fields. Every finished line is looked through for secrets, so that none comes out of whatever
 * corner: fields, fields of children, errors and their causes, foreign texts. Fits fastify’s `loggerInstance`.
 */
export function createLogger({ level, format, now, write = toStandardError, fields = {} }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: fields,
      timestamp: () => `,"time":"${now().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: describeThrown, error: describeThrown, cause: describeThrown },
    },
    { write: line => write(`${finish(line, typeof format === 'function' ? format() : format)}\n`) },
  );
}

function toStandardError(line: string): void {
  process.stderr.write(line);
}

function finish(line: string, format: LogFormat): string {
  let record: Record<string, unknown>;
  try {
    record = redact(JSON.parse(line)) as Record<string, unknown>;
  } catch {
    record = { level: 'error', msg: 'a log line was left out: it is no JSON' };
  }
  return format === 'json' ? JSON.stringify(record) : asText(record);
}

/** `2026-11-23T02:00:05.123Z INFO  set written objects=12340 tier=daily` */
function asText({ level, time, msg, ...fields }: Record<string, unknown>): string {
  const words = Object.entries(fields).map(([name, value]) => `${name}=${plain(withoutStack(value))}`);
  return [time, String(level).toUpperCase().padEnd(5), oneLine(String(msg ?? '')), ...words].filter(word => word !== undefined).join(' ');
}

/** What has a hint is known, and where it was thrown tells people nothing. */
function withoutStack(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('hint' in value) || !('stack' in value)) return value;
  if ('code' in value && value.code === 'INTERNAL') return value;
  const { stack: _, ...rest } = value;
  return rest;
}

function plain(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : (JSON.stringify(value) ?? '');
}

/** What came from elsewhere cannot begin a line of its own, nor move a terminal’s cursor. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, char =>
    char === '\n' ? '\\n' : `\\x${char.codePointAt(0)?.toString(16).padStart(2, '0')}`,
  );
}

/** Causes that one line tells. */
const mostCauses = 5;

/** An error with its code and hint, and its causes below it. */
function describeThrown(thrown: unknown, depth = 0): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const own = Object.fromEntries(
    Object.entries(thrown).filter(([name, value]) => ['code', 'hint', 'status', 'statusCode'].includes(name) && typeof value !== 'object'),
  );
  return {
    type: thrown.name,
    message: redactText(thrown.message),
    ...own,
    ...(thrown.stack !== undefined && depth === 0 && { stack: thrown.stack }),
    ...(thrown.cause !== undefined && depth < mostCauses && { cause: describeThrown(thrown.cause, depth + 1) }),
  };
}
