import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HoldfastError } from '../../domain/errors.ts';
import type { Endpoint } from '../endpoint.ts';
import { InvalidRequest } from '../problem.ts';
import type { Refusals } from '../refusals.ts';
import type { Caller } from '../service.ts';
import type { Authenticator, Principal, Verdict } from './authenticator.ts';
import type { Authorizer } from './authorizer.ts';
import type { Strangers } from './strangers.ts';

/** By this header a request restricts itself to namespaces: `team-a,team-b`. */
export const namespacesHeader = 'holdfast-namespaces';

const namespacePattern = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
/** Up to fifty names with commas between. */
export const namespacesPattern = `^${namespacePattern}(?:, ?${namespacePattern}){0,49}$`;

const longestToken = 16_384;

export interface GuardOptions {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly refusals: Refusals;
  readonly strangers: Strangers;
}

/** A principal, for the requests that are made with its token. */
declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null;
  }
}

/**
 * Finds out who calls, before anything else of a request is looked at. REQUEST_UNAUTHENTICATED, AUTHENTICATOR_UNAVAILABLE, and RATE_LIMITED with
 * Retry-After for an address that failed too often.
 */
export function authenticateRequests(app: FastifyInstance, { authenticator, refusals, strangers }: GuardOptions): void {
  const authenticate = async (token: string | undefined, { ip, signal }: FastifyRequest) => {
    const end = strangers.attempt(ip, token);
    let verdict: Verdict | undefined;
    let outcome: Parameters<typeof end>[0] = 'unknown';
    try {
      verdict = token === undefined ? undefined : await authenticator.authenticate(token, signal);
      outcome = verdict !== undefined && 'principal' in verdict ? 'good' : 'bad';
      return verdict;
    } finally {
      end(outcome);
    }
  };
  app.addHook('onRequest', async (request, reply) => {
    const token = bearerToken(request);
    const waitMs = strangers.refused(request.ip, token);
    if (waitMs !== undefined) {
      reply.header('retry-after', Math.max(1, Math.ceil(waitMs / 1000)));
      throw new HoldfastError('RATE_LIMITED', 'too many requests from this address had no token that is known here');
    }
    const verdict = await authenticate(token, request);
    if (verdict !== undefined && 'principal' in verdict) {
      request.principal = verdict.principal;
      return;
    }
    const reason = token === undefined ? 'no bearer token was sent' : (verdict?.rejected ?? 'the token is not known here');
    reply.header('www-authenticate', challenge(token, reason));
    refusals.tell({ name: `unknown (${request.ip})`, via: 'api' }, routeName(request), 'REQUEST_UNAUTHENTICATED', reason);
    throw new HoldfastError('REQUEST_UNAUTHENTICATED', reason);
  });
}

/** Finds out what the caller may do; comes after the rate limit. REQUEST_FORBIDDEN, CLUSTER_ codes. */
export function authorizeRequests(app: FastifyInstance, { authorizer }: Pick<GuardOptions, 'authorizer'>): void {
  app.addHook('onRequest', async request => {
    const { principal } = request;
    const { endpoint } = request.routeOptions.config;
    if (principal === null || endpoint === undefined) throw new Error(`${request.url} is served without authentication`);
    request.held.caller = await callerFor(principal, endpoint, authorizer, request);
  });
}

async function callerFor(principal: Principal, endpoint: Endpoint, authorizer: Authorizer, request: FastifyRequest): Promise<Caller> {
  const actor = { name: principal.name, via: 'api' } as const;
  if (endpoint.access === undefined) return { actor };
  const decision = await authorizer.decide(principal, endpoint.access, askedNamespaces(request), request.signal);
  if (!decision.allowed) throw new HoldfastError('REQUEST_FORBIDDEN', decision.reason);
  const { namespaces } = decision;
  if (namespaces === undefined) return { actor };
  if (endpoint.tenants) return { actor, namespaces };
  throw new HoldfastError(
    'REQUEST_FORBIDDEN',
    `${endpoint.summary.toLowerCase()}: this concerns the whole cluster, and ${actor.name} has rights in namespaces only`,
  );
}

function bearerToken({ headers }: FastifyRequest): string | undefined {
  const [, token] = /^Bearer +([\x21-\x7e]+) *$/i.exec(headers.authorization ?? '') ?? [];
  return token === undefined || token.length > longestToken ? undefined : token;
}

/** RFC 6750 §3. */
function challenge(token: string | undefined, reason: string): string {
  if (token === undefined) return 'Bearer realm="holdfast"';
  return `Bearer realm="holdfast", error="invalid_token", error_description="${reason.replace(/[^\x20-\x7e]/g, "'").replace(/["\\]/g, '')}"`;
}

function askedNamespaces({ headers }: FastifyRequest): readonly string[] {
  const header = headers[namespacesHeader];
  if (header === undefined) return [];
  const text = String(header);
  if (!new RegExp(namespacesPattern).test(text)) {
    const detail = 'must be 1 to 50 names of namespaces with commas between';
    throw new InvalidRequest(`Holdfast-Namespaces ${detail}`, [{ pointer: `/headers/${namespacesHeader}`, detail }]);
  }
  return [...new Set(text.split(/, ?/))];
}

/** `POST /api/v1/restores`; the path as it is described, so that no id makes it another one. */
export function routeName({ method, routeOptions, url }: FastifyRequest): string {
  return `${method} ${routeOptions.url ?? url.split('?')[0]}`;
}
