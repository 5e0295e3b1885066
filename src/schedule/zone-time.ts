import { HoldfastError } from '../domain/errors.ts';

// A wall time is what a clock on the wall shows, counted in milliseconds as if that clock were UTC. Instants are milliseconds since 1970, UTC.

const secondMs = 1000;
/** No zone has ever been further from UTC than this. */
const farthestMs = 16 * 3_600_000;

/**
 * A moment at which the clocks of a zone are put forward or back. Put forward, they skip the wall times from `wallBefore` to just before
 * `wallAfter`; put back, they show those from `wallAfter` to just before `wallBefore` twice.
 */
export interface ClockChange {
  /** Instant. */
  readonly at: number;
  /** What the clock would have shown at that instant, had it not been touched. */
  readonly wallBefore: number;
  /** What it shows. */
  readonly wallAfter: number;
}

/** When the clocks of a zone show a wall time. */
export type Showing =
  | { readonly kind: 'once'; readonly at: number }
  | { readonly kind: 'twice'; readonly first: number; readonly second: number; readonly change: ClockChange }
  | { readonly kind: 'never'; readonly change: ClockChange };

const formatters = new Map<string, Intl.DateTimeFormat>();

/** CONFIG_INVALID when there is no such zone. Making a formatter takes as long as a thousand uses of it. */
function formatter(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known !== undefined) return known;
  try {
    const made = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
    formatters.set(timeZone, made);
    return made;
  } catch (cause) {
    throw new HoldfastError('CONFIG_INVALID', `time zone ${JSON.stringify(timeZone)} is not known`, {
      cause,
      hint: 'name a zone of the IANA database, such as Europe/Vienna, or UTC',
    });
  }
}

function offsetAt(timeZone: string, instant: number): number {
  const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(formatter(timeZone).format(instant));
  if (match?.[1] === undefined) return 0;
  const [, sign, hours, minutes, seconds] = match;
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds ?? 0)) * secondMs;
  return sign === '-' ? -ms : ms;
}

/** What the clocks of a zone show at an instant. */
export function wallTime(timeZone: string, instant: number): number {
  return instant + offsetAt(timeZone, instant);
}

/** When they show it. Two changes of one zone's clocks are never nearer than a week. */
export function whenShown(timeZone: string, wall: number): Showing {
  const early = wall - farthestMs;
  const late = wall + farthestMs;
  const before = offsetAt(timeZone, early);
  const after = offsetAt(timeZone, late);
  if (before === after) return { kind: 'once', at: wall - before };
  const at = changeBetween(timeZone, early, late, before);
  const change: ClockChange = { at, wallBefore: at + before, wallAfter: at + after };
  const shownBefore = wall < change.wallBefore;
  const shownAfter = wall >= change.wallAfter;
  if (shownBefore && shownAfter) return { kind: 'twice', first: wall - before, second: wall - after, change };
  if (shownBefore) return { kind: 'once', at: wall - before };
  if (shownAfter) return { kind: 'once', at: wall - after };
  return { kind: 'never', change };
}

/** The first whole second whose offset is not `before`. */
function changeBetween(timeZone: string, early: number, late: number, before: number): number {
  let low = Math.floor(early / secondMs);
  let high = Math.ceil(late / secondMs);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(timeZone, middle * secondMs) === before) low = middle;
    else high = middle;
  }
  return high * secondMs;
}
