/** `20261123T020000Z-daily-k3f9`: reads well and sorts by time. */
export const setIdPattern = /^(\d{8}T\d{6}Z)-([a-z0-9]+(?:-[a-z0-9]+)*)-([a-z0-9]{4})$/;

const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';

/** `random` gives at least four bytes. */
export function newSetId(at: Date, tier: string, random: Uint8Array): string {
  const suffix = Array.from(random.subarray(0, 4), byte => alphabet[byte % alphabet.length]).join('');
  return `${stampOf(at)}-${tier}-${suffix}`;
}

/** `20261123T020000Z`: what the id of everything that began in that second begins with. */
export function stampOf(at: Date): string {
  return at.toISOString().replace(/[-:]|\.\d+/g, '');
}

/** When the set was started, from its id; undefined where the text is no id. */
export function setTime(id: string): Date | undefined {
  const stamp = setIdPattern.exec(id)?.[1];
  if (stamp === undefined) return undefined;
  const iso = stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
