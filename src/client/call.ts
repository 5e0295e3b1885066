import { type Dispatcher, request } from 'undici';
import type { AnswerOf, Endpoint, GivenBody, GivenParams, GivenQuery } from '../api/endpoint.ts';
import { apiPrefix } from '../api/endpoints.ts';
import { type ErrorCode, errorTable, HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import { plainTls } from '../domain/tls-words.ts';

export interface ClientOptions {
  /** `https://holdfast.example:8443`, without a path. */
  readonly url: string;
  /** Asked before every request, so that a token that is renewed is used. */
  readonly token: () => string | Promise<string>;
  /** undici’s: trusts the service’s certificate, keeps connections. The global one unless given. */
  readonly dispatcher?: Dispatcher;
  /** Restricts every request to these namespaces. */
  readonly namespaces?: readonly string[];
  readonly runtime: Runtime;
  /** For one answer to begin; 330 s unless told, a little more than the service allows itself. */
  readonly timeoutMs?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Starts the same work only once; a new one for every call unless given. */
  readonly idempotencyKey?: string;
}

type Has<E, Name extends string, T, Rest = unknown> = E extends Readonly<Record<Name, object>> ? T : Rest;

/** What a call takes, beyond its options: what the endpoint’s schemas ask for. */
export type Arguments<E extends Endpoint> = CallOptions &
  Has<E, 'params', { readonly params: GivenParams<E> }> &
  Has<E, 'query', { readonly query?: GivenQuery<E> }> &
  Has<E, 'body', { readonly body: GivenBody<E> }>;

interface AnyArguments extends CallOptions {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

export interface Answer<T> {
  readonly value: T;
  /** From `Retry-After`, milliseconds. */
  readonly retryAfterMs?: number;
}

const defaultTimeoutMs = 330_000;
const attempts = 5;
/** Among replicas behind one address, and longer than another takes to lead. */
const attemptsToLeader = 30;
const firstPauseMs = 500;
const longestPauseMs = 30_000;

/**
 * Calls an endpoint. What the service answers as a problem is thrown as the HoldfastError it was; SERVICE_UNREACHABLE where nothing answers,
 * SERVICE_ERROR where something else than Holdfast does. What may be repeated without doing it twice is, when it could help.
 */
export async function callEndpoint<E extends Endpoint>(
  options: ClientOptions,
  endpoint: E,
  args: AnyArguments,
): Promise<Answer<AnswerOf<E>>> {
  const repeatable = endpoint.method !== 'POST' || endpoint.idempotent === true;
  const key = args.idempotencyKey ?? Buffer.from(options.runtime.random(16)).toString('hex');
  for (let attempt = 1; ; attempt++) {
    const answer = await once(options, endpoint, { ...args, idempotencyKey: key });
    if (!(answer.value instanceof HoldfastError)) return answer as Answer<AnswerOf<E>>;
    const error = answer.value;
    const most = error.code === 'NOT_LEADER' ? attemptsToLeader : attempts;
    if (!repeatable || attempt >= most || !worthRepeating(error)) throw error;
    const pause = answer.retryAfterMs ?? firstPauseMs * 2 ** (attempt - 1);
    await options.runtime.sleep(Math.min(pause, longestPauseMs), args.signal);
  }
}

/** The service did nothing, or will do the same only once. */
function worthRepeating({ retryable, status, cause }: HoldfastError): boolean {
  return retryable && [429, 503].includes(status) && !isDistrust(cause);
}

/** A certificate that is not trusted will not be in a moment either. */
function isDistrust(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_VERIFY/.test(code);
}

async function once(options: ClientOptions, endpoint: Endpoint, args: AnyArguments): Promise<Answer<unknown>> {
  const { signal, body } = args;
  const url = urlOf(options, endpoint, args);
  const { dispatcher, timeoutMs = defaultTimeoutMs } = options;
  const headers = { ...(await headersOf(options)), ...bodyHeaders(endpoint, args) };
  try {
    const response = await request(url, {
      method: endpoint.method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
      ...(dispatcher !== undefined && { dispatcher }),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    const text = await response.body.text();
    const retryAfter = Number(response.headers['retry-after']);
    return {
      value: readAnswer(options.url, response.statusCode, String(response.headers['content-type'] ?? ''), text),
      ...(retryAfter > 0 && { retryAfterMs: retryAfter * 1_000 }),
    };
  } catch (thrown) {
    signal?.throwIfAborted();
    return { value: unreachable(options.url, thrown) };
  }
}

export async function headersOf({ token, namespaces }: ClientOptions): Promise<Record<string, string>> {
  return {
    authorization: `Bearer ${await token()}`,
    ...(namespaces !== undefined && { 'holdfast-namespaces': namespaces.join(',') }),
  };
}

function bodyHeaders(endpoint: Endpoint, { body, idempotencyKey }: AnyArguments): Record<string, string> {
  return {
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(endpoint.idempotent === true && idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
  };
}

export function urlOf({ url }: Pick<ClientOptions, 'url'>, { path }: Endpoint, { params = {}, query = {} }: AnyArguments): URL {
  const filled = path.replace(/:([a-z]+)/g, (_all, name: string) => encodeURIComponent(String(params[name])));
  const target = new URL(`${apiPrefix}${filled}`, url);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) target.searchParams.set(name, String(value));
  return target;
}

export function unreachable(url: string, thrown: unknown): HoldfastError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new HoldfastError('SERVICE_UNREACHABLE', `${url} does not answer: ${plainTls(why)}`, { cause: thrown });
}

/** The value that was answered, or the error. */
export function readAnswer(url: string, status: number, type: string, text: string): unknown {
  if (status === 204) return undefined;
  const json = /^application\/(?:problem\+)?json\b/.test(type) ? parsed(text) : undefined;
  if (status >= 200 && status < 300 && json !== undefined) return json;
  return (
    problemError(json) ?? new HoldfastError('SERVICE_ERROR', `${url} answered with status ${status} and no problem that could be read`)
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** RFC 9457 back to what it was. A code that only a newer service knows is SERVICE_ERROR here, with its words. */
function problemError(json: unknown): HoldfastError | undefined {
  if (typeof json !== 'object' || json === null || !('code' in json) || !('detail' in json)) return undefined;
  const { code, detail } = json;
  const hint = 'hint' in json && typeof json.hint === 'string' ? { hint: json.hint } : {};
  const known = typeof code === 'string' && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'SERVICE_ERROR';
  return new HoldfastError(known, String(detail), hint);
}
