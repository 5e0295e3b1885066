import type { ErrorKind, exitCodes } from './errors.ts';

/** The rows of the error table about requests to the service. The exit codes are those of a command that talks to one. */
export function requestErrors(exit: typeof exitCodes) {
  return {
    REQUEST_INVALID: {
      status: 400,
      exit: exit.usage,
      retryable: false,
      hint: 'correct the fields named in errors; /openapi.json describes all',
    },
    REQUEST_CONTRADICTORY: {
      status: 422,
      exit: exit.usage,
      retryable: false,
      hint: 'each field is right by itself; change what the message says does not go together',
    },
    REQUEST_UNAUTHENTICATED: {
      status: 401,
      exit: exit.failed,
      retryable: false,
      hint: 'send a valid bearer token: one for this service’s audience, not expired',
    },
    REQUEST_FORBIDDEN: {
      status: 403,
      exit: exit.failed,
      retryable: false,
      hint: 'ask for a role, or a role binding on holdfast.dev, that allows this; or stay within your namespaces',
    },
    ROUTE_NOT_FOUND: { status: 404, exit: exit.usage, retryable: false, hint: '/openapi.json names every path' },
    METHOD_NOT_ALLOWED: { status: 405, exit: exit.usage, retryable: false, hint: 'the Allow header names the methods of this path' },
    REQUEST_SLOW: { status: 408, exit: exit.timeout, retryable: true, hint: 'send the whole request within the server’s time limit' },
    REQUEST_TOO_LARGE: { status: 413, exit: exit.usage, retryable: false, hint: 'send a smaller body; the limit is in the message' },
    MEDIA_TYPE_UNSUPPORTED: {
      status: 415,
      exit: exit.usage,
      retryable: false,
      hint: 'send Content-Type: application/json, uncompressed',
    },
    RATE_LIMITED: {
      status: 429,
      exit: exit.failed,
      retryable: true,
      hint: 'wait as long as Retry-After says; watch /api/v1/events instead of polling',
    },
    HEADERS_TOO_LARGE: { status: 431, exit: exit.usage, retryable: false, hint: 'send fewer or shorter headers' },
    STREAMS_EXHAUSTED: {
      status: 503,
      exit: exit.failed,
      retryable: true,
      hint: 'share one event stream, or poll until others are closed',
    },
    AUTHENTICATOR_UNAVAILABLE: {
      status: 503,
      exit: exit.failed,
      retryable: true,
      hint: 'who verifies tokens cannot be reached: check the API server, or the issuer’s discovery document',
    },
    SERVICE_WAITING: {
      status: 503,
      exit: exit.failed,
      retryable: true,
      hint: 'the service opens by itself as soon as its location answers: check the endpoint of the location and the network to it',
    },
    SERVICE_UNREACHABLE: {
      status: 503,
      exit: exit.failed,
      retryable: true,
      hint: 'check the address after --server, its certificate, and that holdfast serve runs',
    },
    SERVICE_ERROR: {
      status: 502,
      exit: exit.failed,
      retryable: false,
      hint: 'the address after --server may not be Holdfast’s, or a proxy answered in its place',
    },
    POLICY_NOT_FOUND: { status: 404, exit: exit.notFound, retryable: false, hint: 'the configuration names the policies there are' },
    HOLD_NOT_FOUND: {
      status: 404,
      exit: exit.notFound,
      retryable: false,
      hint: 'holdfast retention plan --all, and GET /api/v1/holds, name those that are held',
    },
    PLAN_CHANGED: { status: 409, exit: exit.failed, retryable: true, hint: 'look at the plan as it is now, and confirm that one' },
  } as const satisfies Record<string, ErrorKind>;
}
