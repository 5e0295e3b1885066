import type { Runtime } from '../domain/runtime.ts';
import { BrokenAnswer, breakOf, RefusedError } from './failures.ts';

export interface RetryPolicy {
  /** Requests in all, the first one included. */
  readonly attempts: number;
  /** No request is made again later than this after the first one, milliseconds. */
  readonly totalMs: number;
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Long enough for an API server to restart, or for one of several to be taken out of a load balancer. */
export const defaultRetry: RetryPolicy = { attempts: 14, totalMs: 60_000, baseMs: 100, maxMs: 5_000 };

/** A server that never answered is more likely a wrong address than a restart, and one that answers no list is more likely none than cut short. */
const doubtfulAttempts = 3;

export interface Failure {
  readonly thrown: unknown;
  /** 0 for the first request. */
  readonly attempt: number;
  /** Since the first request, milliseconds. */
  readonly elapsedMs: number;
  /** May the request be carried out twice? */
  readonly repeatable: boolean;
  /** The refusal passes by itself, and nothing was done. */
  readonly passing: boolean;
  /** Did this server answer anything before? */
  readonly contacted: boolean;
}

/** Milliseconds to wait before the next request, or undefined to give up. */
export function retryDelay(policy: RetryPolicy, failure: Failure, runtime: Pick<Runtime, 'random'>): number | undefined {
  if (failure.attempt + 1 >= policy.attempts) return undefined;
  const asked = askedDelay(failure);
  if (asked === undefined) return undefined;
  const delay = Math.max(asked, backoff(policy, failure.attempt, runtime));
  return failure.elapsedMs + delay > policy.totalMs ? undefined : delay;
}

/** What the server asked for, 0 for nothing in particular, undefined where asking again is wrong. */
function askedDelay({ thrown, attempt, repeatable, passing, contacted }: Failure): number | undefined {
  if (thrown instanceof RefusedError) {
    const { status } = thrown.refusal;
    if (status === 429 || passing) return thrown.retryAfterMs ?? 0;
    return status >= 500 && repeatable ? thrown.retryAfterMs : undefined;
  }
  if (!(thrown instanceof BrokenAnswer)) return undefined;
  const doubtful = !contacted || thrown.cause === undefined;
  if (doubtful && attempt + 1 >= doubtfulAttempts) return undefined;
  const how = breakOf(thrown.cause);
  if (how === 'unsent') return 0;
  return how === 'cut' && repeatable ? 0 : undefined;
}

/** Doubles from `baseMs` to `maxMs`, between half and all of it, so that clients do not come back together. */
function backoff(policy: RetryPolicy, attempt: number, runtime: Pick<Runtime, 'random'>): number {
  const full = Math.min(policy.maxMs, policy.baseMs * 2 ** attempt);
  const byte = runtime.random(1)[0] ?? 0;
  return Math.round(full * (0.5 + byte / 510));
}

/** `Retry-After` as seconds or a date, in milliseconds from `now`; undefined where it is neither. */
export function retryAfterMs(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}
