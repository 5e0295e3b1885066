import { createHash } from 'node:crypto';

const dayMs = 24 * 3_600_000;

/** A running backup has made its restic snapshot before its set names it: younger ones are left alone. */
export const youngestForgottenMs = dayMs;
/** A backup may run for longer than that; what was begun before this, and has no manifest, never will. */
export const longestBackupMs = 7 * dayMs;
/** A check reads one part of so many, each week another: in a quarter of a year it has read everything. */
export const checkParts = 12;

/** A restic snapshot as it lies in the location. */
export interface StoredSnapshot {
  /** 64 hex digits. */
  readonly id: string;
  readonly modified: Date;
}

/** What the sets of the location name. */
export interface NamedSnapshots {
  readonly ids: ReadonlySet<string>;
  /** Was every set read? */
  readonly whole: boolean;
  /** When sets were begun that have no manifest: their backups may still run. */
  readonly unfinished?: readonly Date[];
}

/**
 * The restic snapshots of one repository that no set names any more: never one that is named, none while a set cannot be read, none younger than
 * a day, and none that a backup may have made that has not ended. In the order of their ids.
 */
export function forgettable(present: readonly StoredSnapshot[], named: NamedSnapshots, now: Date): readonly string[] {
  if (!named.whole) return [];
  const begun = (named.unfinished ?? []).map(date => date.getTime()).filter(time => time > now.getTime() - longestBackupMs);
  const until = Math.min(now.getTime() - youngestForgottenMs, ...begun);
  const old = present.filter(({ id, modified }) => !named.ids.has(id) && modified.getTime() < until);
  return old.map(({ id }) => id).sort();
}

/**
 * The part of a repository's data that a check is to read, as `--read-data-subset` takes it: each repository has a day of its week for it, and
 * it is due when that day is today, or has come since the upkeep before, however long that is ago. Undefined where none is due. Day and part
 * come from the calendar and the repository's key alone.
 */
export function dueCheck(key: string, now: Date, before?: Date): string | undefined {
  const digest = createHash('sha256').update(key).digest();
  const today = Math.floor(now.getTime() / dayMs);
  // Days since which it was seen to; a time in the future was written by a clock that was wrong.
  const seen = before === undefined || before > now ? today - 1 : Math.floor(before.getTime() / dayMs);
  const day = today - ((today + digest.readUInt32BE(0)) % 7);
  if (day <= seen) return undefined;
  return `${((Math.floor(day / 7) + digest.readUInt32BE(4)) % checkParts) + 1}/${checkParts}`;
}
