import { HoldfastError } from '../domain/errors.ts';

const dayMs = 86_400_000;

/** Sets started before this moment qualify (milliseconds since 1970); undefined where the text is no word for a time. */
export function momentBefore(text: string): number | undefined {
  if (text === 'latest') return Number.POSITIVE_INFINITY;
  const day = /^(\d{4}-\d{2}-\d{2})$/.exec(text);
  if (day !== null) return realDay(text) + dayMs;
  if (/^\d{4}-\d{2}$/.test(text)) throw new HoldfastError('BACKUP_AMBIGUOUS', `${text} is a whole month; name a day, such as ${text}-01`);
  const time = /^(\d{4}-\d{2}-\d{2})[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})?$/.exec(text);
  if (time === null) return undefined;
  if (time[2] === undefined) {
    throw new HoldfastError('BACKUP_AMBIGUOUS', `${text} names no time zone; write ${text.replace(' ', 'T')}Z for UTC`, {
      hint: 'give the time with Z or an offset such as +01:00, or give a backup’s id',
    });
  }
  realDay(time[1]!);
  const moment = Date.parse(text.toUpperCase().replace(' ', 'T'));
  if (Number.isNaN(moment)) throw new HoldfastError('BACKUP_NOT_FOUND', `${text} is no time that exists`);
  // Ids have whole seconds: a set started within the named second was started by then.
  return Math.floor(moment / 1000) * 1000 + 1;
}

/** Start of the day in UTC. Date.parse would make the first of March out of the thirtieth of February. */
function realDay(day: string): number {
  const start = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(start) || new Date(start).toISOString().slice(0, 10) !== day) {
    throw new HoldfastError('BACKUP_NOT_FOUND', `${day} is no day of the calendar`);
  }
  return start;
}
