import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import { plainTls } from '../domain/tls-words.ts';

/** What of an SDK error matters here. `name` is the S3 error code where there was an answer. */
interface S3Fault {
  readonly name: string;
  readonly message: string;
  readonly status: number | undefined;
  /** Of Node or OpenSSL: `ECONNREFUSED`. */
  readonly code: string;
  readonly requestId: string | undefined;
}

const byName: Readonly<Record<string, ErrorCode>> = {
  NoSuchBucket: 'STORE_BUCKET_MISSING',
  InvalidBucketName: 'STORE_BUCKET_MISSING',
  NoSuchKey: 'STORE_NOT_FOUND',
  NoSuchUpload: 'STORE_NOT_FOUND',
  NotFound: 'STORE_NOT_FOUND',
  PreconditionFailed: 'STORE_EXISTS',
  QuotaExceeded: 'STORE_FULL',
  XMinioStorageFull: 'STORE_FULL',
  XMinioAdminBucketQuotaExceeded: 'STORE_FULL',
  InsufficientStorage: 'STORE_FULL',
  AccessDenied: 'STORE_FORBIDDEN',
  InvalidAccessKeyId: 'STORE_FORBIDDEN',
  SignatureDoesNotMatch: 'STORE_FORBIDDEN',
  ExpiredToken: 'STORE_FORBIDDEN',
  InvalidToken: 'STORE_FORBIDDEN',
  XAdminUserNotFound: 'STORE_FORBIDDEN',
  RequestTimeTooSkewed: 'STORE_FORBIDDEN',
  CredentialsProviderError: 'STORE_FORBIDDEN',
  PermanentRedirect: 'STORE_FORBIDDEN',
  AuthorizationHeaderMalformed: 'STORE_FORBIDDEN',
};

/** Refusals with a 4xx status that the same request, sent again, need not meet: lost bytes, and too much at once. */
const passing = new Set(['RequestTimeout', 'IncompleteBody', 'BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch']);
const passingStatus = new Set([408, 409, 423, 425, 429]);

const otherRegion = 'the bucket lies in another region: add region=… to the location';
const hints: Readonly<Record<string, string>> = {
  CredentialsProviderError: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with AWS_PROFILE',
  RequestTimeTooSkewed: 'set the clock of this machine: the store refuses requests from another time',
  PermanentRedirect: otherRegion,
  AuthorizationHeaderMalformed: otherRegion,
};

const meaningless = new Set(['', 'Error', 'Unknown', 'UnknownError', '403', '404']);

/** Text that a person can act on where the SDK gives only a code: HEAD answers have no body. */
const plainWords: Readonly<Record<number, string>> = { 403: 'access denied', 404: 'not found', 412: 'it exists already' };

function faultOf(thrown: unknown): S3Fault {
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as {
    name?: string;
    message?: string;
    code?: string;
    cause?: { code?: string };
    $metadata?: { httpStatusCode?: number; requestId?: string };
  };
  return {
    name: error.name ?? '',
    message: error.message ?? String(thrown),
    status: error.$metadata?.httpStatusCode,
    code: error.code ?? error.cause?.code ?? '',
    // Some servers send the header twice.
    requestId: error.$metadata?.requestId?.split(',')[0],
  };
}

function codeFor(fault: S3Fault): ErrorCode {
  const named = byName[fault.name];
  if (named !== undefined) return named;
  const { status } = fault;
  if (status === undefined) return 'STORE_UNREACHABLE';
  if (status === 404) return 'STORE_NOT_FOUND';
  if (status === 401 || status === 403) return 'STORE_FORBIDDEN';
  if (status === 412) return 'STORE_EXISTS';
  if (status === 507) return 'STORE_FULL';
  const refused = status >= 300 && status < 500 && !passing.has(fault.name) && !passingStatus.has(status);
  return refused ? 'STORE_FORBIDDEN' : 'STORE_ERROR';
}

function wordsFor(fault: S3Fault): string {
  const text = plainTls(fault.message).split('\n')[0]?.slice(0, 300) ?? '';
  const bare = text === '' || text === 'UnknownError' || fault.status === 412;
  const words = bare ? (plainWords[fault.status ?? 0] ?? 'no reason given') : text;
  const facts = [fault.code || fault.name, fault.status === undefined ? '' : `HTTP ${fault.status}`, fault.requestId ?? ''];
  return `${words.replace(/\.$/, '')} (${facts.filter(fact => !meaningless.has(fact)).join(', ')})`;
}

/**
 * A failed call to S3 as a STORE_ error. `doing` says which call on which key. The SDK's error is not kept as the cause: it holds the
 * request with its signature.
 */
export function s3Error(thrown: unknown, doing: string, bucket: string): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  const fault = faultOf(thrown);
  if (fault.message.startsWith('Region is missing')) {
    return new HoldfastError('CONFIG_INVALID', `${doing}: no region is set`, { hint: 'add region=… to the location, or set AWS_REGION' });
  }
  const refusal =
    fault.status === 401 || fault.status === 403 ? undefined : 'the store refused the request itself; its own words are in the message';
  const code = codeFor(fault);
  const hint = hints[fault.name] ?? (code === 'STORE_FORBIDDEN' ? refusal : undefined);
  const where = code === 'STORE_BUCKET_MISSING' ? `${doing}: bucket ${bucket}` : doing;
  return new HoldfastError(code, `${where}: ${wordsFor(fault)}`, hint === undefined ? {} : { hint });
}

/** Is the caller known to the store, but not allowed this call? */
export function isAccessDenied(thrown: unknown): boolean {
  return faultOf(thrown).name === 'AccessDenied';
}

export function statusOf(thrown: unknown): number | undefined {
  return faultOf(thrown).status;
}
