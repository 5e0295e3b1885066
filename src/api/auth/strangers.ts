import { isIPv6 } from 'node:net';
import { sha256Hex } from '../../crypto/digest.ts';
import type { Runtime } from '../../domain/runtime.ts';

/**
 * Limits what one address may try without a token that is known: what strangers send costs nothing then, and keeps no place in the queue of
 * those who are. Whose token was good a while ago passes, since behind a proxy everybody has one address.
 */
export interface Strangers {
  /** How long the address has to wait, milliseconds; undefined where it may try. */
  refused(address: string, token: string | undefined): number | undefined;
  /** An attempt, which counts until it turns out to be good. Returns what is to be called with the outcome; `unknown` where nobody could tell. */
  attempt(address: string, token: string | undefined): (outcome: 'good' | 'bad' | 'unknown') => void;
}

const windowMs = 60_000;
const goodForMs = 15 * 60_000;
const mostRemembered = 20_000;

interface Tries {
  since: number;
  bad: number;
  underWay: number;
}

/** `most`: attempts a minute of one address that fail, and attempts at a time. */
export function createStrangers(most: number, { now }: Pick<Runtime, 'now'>): Strangers {
  const tries = new Map<string, Tries>();
  const good = new Map<string, number>();

  const current = (address: string): Tries => {
    const key = addressKey(address);
    const at = now().getTime();
    const known = tries.get(key) ?? { since: at, bad: 0, underWay: 0 };
    if (at - known.since >= windowMs || at < known.since) Object.assign(known, { since: at, bad: 0 });
    remember(tries, key, known);
    return known;
  };
  const isKnown = (token: string): boolean => {
    const until = good.get(sha256Hex(token)) ?? 0;
    const at = now().getTime();
    return until > at && until <= at + goodForMs;
  };

  return {
    refused: (address, token) => {
      const { since, bad, underWay } = current(address);
      if (bad + underWay < most || (token !== undefined && isKnown(token))) return undefined;
      return bad < most ? 1_000 : since + windowMs - now().getTime();
    },
    attempt: (address, token) => {
      const own = current(address);
      own.underWay += 1;
      return outcome => {
        own.underWay -= 1;
        if (outcome === 'bad') own.bad += 1;
        if (outcome === 'good' && token !== undefined) remember(good, sha256Hex(token), now().getTime() + goodForMs);
      };
    },
  };
}

/** The oldest goes first. */
function remember<T>(all: Map<string, T>, key: string, value: T): void {
  all.delete(key);
  all.set(key, value);
  if (all.size > mostRemembered) all.delete(all.keys().next().value!);
}

/** Of IPv6 a whole /64: that is what one subscriber has. */
export function addressKey(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after]
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':');
}
