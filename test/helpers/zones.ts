import { readFileSync } from 'node:fs';

/** In tzdata since long, and in no list of ICU’s, which has one name of each zone. */
const beyondIcu = [
  ...['UTC', 'GMT', 'Zulu', 'Universal', 'EST', 'MST', 'HST', 'EST5EDT', 'CST6CDT', 'MST7MDT', 'PST8PDT', 'CET', 'MET', 'EET', 'WET'],
  ...['Etc/UTC', 'Etc/GMT', 'Etc/Zulu', 'GB', 'NZ', 'NZ-CHAT', 'Cuba', 'Egypt', 'Eire', 'Iran', 'Israel', 'Japan', 'PRC', 'ROK', 'Turkey'],
  ...['US/Alaska', 'US/Eastern', 'US/Pacific', 'Brazil/East', 'Canada/Newfoundland', 'Chile/EasterIsland', 'Mexico/BajaNorte'],
  ...['Asia/Calcutta', 'Asia/Katmandu', 'Asia/Saigon', 'America/Buenos_Aires', 'Australia/LHI', 'Europe/Kiev', 'Europe/Belfast'],
  ...Array.from({ length: 12 }, (_, hours) => `Etc/GMT+${hours + 1}`),
  ...Array.from({ length: 14 }, (_, hours) => `Etc/GMT-${hours + 1}`),
];

/** Every name of a zone that a user may write: those of the system’s tzdata, links included, as far as this Node knows them. */
export function allZones(file = '/usr/share/zoneinfo/tzdata.zi'): string[] {
  const names = new Set([...Intl.supportedValuesOf('timeZone'), ...beyondIcu, ...tzdataNames(file)]);
  return [...names].filter(isKnown).sort();
}

/** `Z <name> …` is a zone, `L <target> <name>` a link (zic(8)). */
function tzdataNames(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .flatMap(line => /^(?:Z|L \S+) (\S+)/.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}

function isKnown(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone }) !== undefined;
  } catch {
    return false;
  }
}
