import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import { isObject, parseJson, stringAt } from '../domain/json.ts';
import { plainTls } from '../domain/tls-words.ts';

/** What the API server said about a request that it did not carry out. */
export interface Refusal {
  readonly status: number;
  /** `metav1.Status.reason`, such as `AlreadyExists`; empty when the answer was no Status. */
  readonly reason: string;
  /** The server's own words. */
  readonly message: string;
}

/** Reads a `metav1.Status`, or whatever text a proxy or an aggregator sent in its place. */
export function readRefusal(status: number, body: string): Refusal {
  try {
    const parsed = parseJson(body);
    if (isObject(parsed) && parsed.kind === 'Status') {
      return { status, reason: stringAt(parsed, 'reason') ?? '', message: stringAt(parsed, 'message') ?? `status ${status}` };
    }
  } catch {
    // not JSON: the text itself is the message
  }
  const text = body.trim().replace(/\s+/g, ' ').slice(0, 300);
  return { status, reason: '', message: text === '' ? `status ${status} without a message` : text };
}

const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'CLUSTER_REJECTED',
  401: 'CLUSTER_UNAUTHORIZED',
  403: 'CLUSTER_FORBIDDEN',
  404: 'CLUSTER_NOT_FOUND',
  405: 'CLUSTER_REJECTED',
  409: 'CLUSTER_CONFLICT',
  410: 'CLUSTER_EXPIRED',
  413: 'CLUSTER_REJECTED',
  422: 'CLUSTER_REJECTED',
  429: 'CLUSTER_THROTTLED',
};

/** An authorizer's 403 names a user and a verb; quotas and admission plugins answer 403 as well, in other words. */
const deniedByAuthorizer = /User "[^"]*" cannot /;
const deniedByAdmission =
  /admission webhook .* denied|exceeded quota|violates PodSecurity|denied by|being terminated|ValidatingAdmissionPolicy/;

function codeOf(refusal: Refusal): ErrorCode {
  if (refusal.status === 403 && !deniedByAuthorizer.test(refusal.message) && deniedByAdmission.test(refusal.message))
    return 'CLUSTER_REJECTED';
  // Webhooks choose their own status; whatever it is, the object was refused.
  if (refusal.status < 500 && /^admission webhook .* denied the request/.test(refusal.message)) return 'CLUSTER_REJECTED';
  if (refusal.reason === 'Expired' || refusal.reason === 'Gone') return 'CLUSTER_EXPIRED';
  return codeByStatus[refusal.status] ?? 'CLUSTER_ERROR';
}

/** The API server answered, and it was a refusal. */
export class RefusedError extends HoldfastError {
  readonly refusal: Refusal;
  /** From `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  /** `what` is the method and path. */
  constructor(what: string, refusal: Refusal, retryAfterMs?: number) {
    super(codeOf(refusal), `${what}: ${refusal.message} (status ${refusal.status})`);
    this.refusal = refusal;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The connection, or the answer's form, broke while an answer was being read. */
export class BrokenAnswer extends Error {
  override readonly name = 'BrokenAnswer';
}

/**
 * How far a request got before the connection failed: `unsent` (it never left), `cut` (it may have been carried out), `tls` (it never left and
 * will not, the certificates being what they are), `abort` (we ended it).
 */
export type Break = 'unsent' | 'cut' | 'tls' | 'abort';

const unsentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
]);
/** Our own doing: the client was closed, or was given what no request can carry. */
const ownCodes = new Set(['UND_ERR_DESTROYED', 'UND_ERR_CLOSED', 'UND_ERR_INVALID_ARG', 'UND_ERR_ABORTED']);
const tlsCode =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO|INVALID_CA|INVALID_PURPOSE)/;

interface SystemError {
  readonly code?: unknown;
  readonly errors?: unknown;
  readonly cause?: unknown;
}

/** The innermost error that has a code: happy-eyeballs wraps one error an address, undici wraps the socket's. */
function rootOf(thrown: unknown): Error & SystemError {
  const error = thrown as Error & SystemError;
  if (Array.isArray(error.errors) && error.errors.length > 0) return rootOf(error.errors[0]);
  if (typeof error.code !== 'string' && error.cause instanceof Error) return rootOf(error.cause);
  return error;
}

/** `thrown` is the cause of a BrokenAnswer; without one the connection was fine, and the answer ended before its end. */
export function breakOf(thrown: unknown): Break {
  if (thrown === undefined) return 'cut';
  const root = rootOf(thrown);
  if (root.name === 'AbortError' || root.name === 'TimeoutError') return 'abort';
  const code = typeof root.code === 'string' ? root.code : '';
  if (unsentCodes.has(code)) return 'unsent';
  if (ownCodes.has(code)) return 'abort';
  return tlsCode.test(code) ? 'tls' : 'cut';
}

const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name could not be resolved',
  ECONNRESET: 'connection reset',
  UND_ERR_CONNECT_TIMEOUT: 'timed out while connecting',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped half-way',
  UND_ERR_DESTROYED: 'the client was closed',
  UND_ERR_CLOSED: 'the client was closed',
  UND_ERR_SOCKET: 'connection closed before the answer was complete',
};

/** CLUSTER_UNREACHABLE that names the host and the cause; `what` is the method and path. */
export function unreachableError(what: string, server: string, thrown: unknown): HoldfastError {
  const root = rootOf(thrown);
  const code = typeof root.code === 'string' ? root.code : '';
  const known = explanations[code];
  const cause = known === undefined ? `${plainTls(root.message)}${code === '' ? '' : ` (${code})`}` : `${known} (${code})`;
  return new HoldfastError('CLUSTER_UNREACHABLE', `${server} did not answer ${what}: ${cause}`, { cause: thrown });
}
