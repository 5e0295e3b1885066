import { type Dispatcher, request } from 'undici';
import { HoldfastError } from '../domain/errors.ts';

/** From the first byte that is sent to the last that is read, milliseconds. */
export const defaultCallMs = 15_000;
/** Bytes of an answer that are read, so that its connection can be used again. */
const mostAnswer = 64 * 1024;

export interface HttpCall {
  readonly method: 'GET' | 'POST';
  /** May be a secret: messages name only its host. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
  readonly dispatcher?: Dispatcher;
}

/** Statuses upon which the same call may succeed later, besides all from 500 on. */
const passing = [408, 425, 429];

/**
 * Resolves when the server answered with 2xx; redirects are not followed. NOTICE_UNDELIVERED where another try has a chance, NOTICE_REFUSED
 * where it has none; rejects with the signal’s reason when that aborts.
 */
export async function httpCall(
  { method, url, headers = {}, body, timeoutMs = defaultCallMs, dispatcher }: HttpCall,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const host = hostOf(url);
  const limit = AbortSignal.timeout(timeoutMs);
  const within = AbortSignal.any([signal, limit]);
  let status: number;
  try {
    const answer = await request(url, {
      ...{ method, signal: within, headersTimeout: timeoutMs, bodyTimeout: timeoutMs, body: body ?? null },
      headers: { 'user-agent': 'holdfast', ...headers },
      ...(dispatcher !== undefined && { dispatcher }),
    });
    status = answer.statusCode;
    await answer.body.dump({ limit: mostAnswer, signal: within });
  } catch (thrown) {
    signal.throwIfAborted();
    const why = limit.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(thrown);
    throw new HoldfastError('NOTICE_UNDELIVERED', `${host}: ${why}`);
  }
  if (status >= 200 && status < 300) return;
  const code = status >= 500 || passing.includes(status) ? 'NOTICE_UNDELIVERED' : 'NOTICE_REFUSED';
  throw new HoldfastError(code, `${host} answered ${status}${status >= 300 && status < 400 ? ', a redirect, which is not followed' : ''}`);
}

/** All of an address that may be shown. */
export function hostOf(url: string): string {
  return URL.parse(url)?.host ?? 'an address that is none';
}

/** Codes only: messages of libraries may quote the address. */
function reasonOf(thrown: unknown): string {
  const { code, name, cause } = (thrown ?? {}) as { code?: unknown; name?: unknown; cause?: unknown };
  if (typeof code === 'string') return code;
  return cause === undefined ? String(name ?? 'unknown') : reasonOf(cause);
}
