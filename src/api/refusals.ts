import type { Actor } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { Refusal } from './service.ts';

/**
 * Passes refusals on to the ledger, which must not grow with every repetition: the first of its kind at once, further ones of the same minute
 * as a count when that is over, or with the next.
 */
export interface Refusals {
  tell(actor: Actor, request: string, code: Refusal['code'], reason: string): void;
  /** Passes on what is only counted yet; nothing is counted any more. */
  close(): void;
}

const quietMs = 60_000;
const mostRemembered = 1_000;
/** Of all kinds together; who tries many names shall not fill the ledger either. */
const mostPerQuiet = 100;

interface Repeated {
  readonly since: number;
  readonly last: Omit<Refusal, 'count'>;
  uncounted: number;
}

export function createRefusals(report: (refusal: Refusal) => void, { now, sleep }: Pick<Runtime, 'now' | 'sleep'>): Refusals {
  const closed = new AbortController();
  let isWaiting = false;
  const repeated = new Map<string, Repeated>();
  const beyond: Repeated = {
    since: 0,
    last: { actor: { name: 'several', via: 'api' }, request: 'several', code: 'REQUEST_UNAUTHENTICATED', reason: 'too many to name' },
    uncounted: 0,
  };
  let window = { since: 0, told: 0 };
  const release = (entry: Repeated): void => {
    if (entry.uncounted > 0) report({ ...entry.last, count: entry.uncounted });
    entry.uncounted = 0;
  };
  const flush = (): void => {
    for (const entry of repeated.values()) release(entry);
    release(beyond);
  };
  /** Who has stopped trying sends no next one to count with. */
  const flushLater = (): void => {
    if (isWaiting || closed.signal.aborted) return;
    isWaiting = true;
    sleep(quietMs, closed.signal).then(
      () => {
        isWaiting = false;
        flush();
      },
      () => {},
    );
  };
  return {
    tell: (actor, request, code, reason) => {
      const at = now().getTime();
      if (at - window.since >= quietMs || at < window.since) {
        release(beyond);
        window = { since: at, told: 0 };
      }
      const key = JSON.stringify([actor.name, request, code]);
      const known = repeated.get(key);
      const last = { actor, request, code, reason };
      if (known !== undefined && at >= known.since && at - known.since < quietMs) {
        known.uncounted += 1;
        flushLater();
        return;
      }
      const count = (known?.uncounted ?? 0) + 1;
      repeated.delete(key);
      if (window.told >= mostPerQuiet) {
        beyond.uncounted += count;
        flushLater();
        return;
      }
      window.told += 1;
      repeated.set(key, { since: at, last, uncounted: 0 });
      if (repeated.size > mostRemembered) {
        const [oldest] = repeated.entries();
        if (oldest !== undefined) {
          repeated.delete(oldest[0]);
          release(oldest[1]);
        }
      }
      report({ ...last, count });
    },
    close: () => {
      closed.abort();
      flush();
    },
  };
}
