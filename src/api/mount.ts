import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Authorizer } from './auth/authorizer.ts';
import type { AnswerOf, BodyOf, Endpoint, ParamsOf, QueryOf } from './endpoint.ts';
import { idempotencyOf, withoutIdentity } from './idempotency.ts';
import type { IdentitySource } from './identity.ts';
import type { ApiLimits } from './limits.ts';
import { problemType } from './problem.ts';
import type { RequestState } from './request-state.ts';
import { problem } from './schemas/common.ts';
import type { Caller, Idempotency, Service } from './service.ts';
import { requireOwnIdentity } from './tenancy.ts';

/** One request to an endpoint, checked against its schemas and allowed. */
export interface Call<E extends Endpoint> {
  readonly params: ParamsOf<E>;
  readonly query: QueryOf<E>;
  readonly body: BodyOf<E>;
  readonly caller: Caller;
  readonly idempotency?: Idempotency;
  /** Aborts when the client goes away, or the time limit is reached. */
  readonly signal: AbortSignal;
  /** The identity that the body means, if the caller may use it; from then on the handler’s to wipe. REQUEST_FORBIDDEN, CLUSTER_ codes. */
  identity(given: GivenIdentity | undefined): Promise<IdentitySource | undefined>;
  header(name: string, value: string): void;
}

type GivenIdentity =
  | { readonly value: string }
  | { readonly secret: { readonly namespace: string; readonly name: string; readonly key: string } }
  | { readonly file: string };

export type Handler<E extends Endpoint> = (call: Call<E>) => AnswerOf<E> | Promise<AnswerOf<E>>;

declare module 'fastify' {
  interface FastifyContextConfig {
    endpoint?: Endpoint;
  }
}

/** What the routes of all resources are made of. */
export interface Api {
  readonly app: FastifyInstance;
  readonly service: Service;
  readonly authorizer: Authorizer;
  readonly limits: Pick<ApiLimits, 'handlerMs' | 'slowHandlerMs'>;
}

/** Serves an endpoint: its schemas check what comes in and what goes out, its handler gets types. */
export function mount<E extends Endpoint>(api: Api, endpoint: E, handler: Handler<E>): void {
  const { limits } = api;
  const bytesOf = keptBytes();
  api.app.route({
    ...routeOf(endpoint),
    handlerTimeout: endpoint.slow === true ? limits.slowHandlerMs : limits.handlerMs,
    handler: async (request, reply) => {
      const answer = await handler(callOf(api, endpoint, request, reply));
      reply.code(endpoint.success.status);
      if (endpoint.success.status === 204) return reply.send();
      if (endpoint.large === true) return reply.type('application/json; charset=utf-8').send(bytesOf(answer));
      return endpoint.etag === true ? sendTagged(request, reply, answer) : answer;
    },
  });
}

/** The JSON of an answer, made once for one that is given several times. */
function keptBytes(): (answer: unknown) => Buffer {
  const kept = new WeakMap<object, Buffer>();
  return answer => {
    const bytes = kept.get(answer as object) ?? Buffer.from(JSON.stringify(answer));
    kept.set(answer as object, bytes);
    return bytes;
  };
}

/** What the framework is told of an endpoint. */
export function routeOf(endpoint: Endpoint) {
  const { method, path, id, summary, description, params, query, body } = endpoint;
  const schema: FastifySchema & Record<string, unknown> = {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    tags: [path.split('/')[1] ?? ''],
    security: [{ bearer: [] }],
    ...(params !== undefined && { params }),
    ...(query !== undefined && { querystring: query }),
    ...(body !== undefined && { body }),
    response: responses(endpoint),
  };
  return { method, url: path, schema, config: { endpoint }, exposeHeadRoute: endpoint.stream !== true };
}

const everyProblem = [400, 401, 403, 408, 429, 431, 500, 503, 504];
/** Where the repository or the cluster is asked, besides: it may be gone, of another version, refuse, or be full. */
const behindProblems = [404, 409, 410, 422, 507];

function responses(endpoint: Endpoint): Record<number, unknown> {
  const { success, problems, body } = endpoint;
  const statuses = new Set([
    ...everyProblem,
    ...problems,
    ...(problems.includes(502) ? behindProblems : []),
    ...(body === undefined ? [] : [413, 415]),
  ]);
  const described = [...statuses].sort().map(status => [status, problemResponse(status)] as const);
  const type = endpoint.stream === true ? 'text/event-stream' : 'application/json';
  const ok =
    success.status === 204
      ? success.schema.describe(success.description)
      : { description: success.description, content: { [type]: { schema: success.schema } } };
  return { [success.status]: ok, ...Object.fromEntries(described) };
}

const meanings: Readonly<Record<number, string>> = {
  400: 'The request is malformed; errors names the fields',
  401: 'No valid token',
  403: 'Not allowed; recorded in the ledger',
  404: 'There is no such thing',
  408: 'The request did not arrive in time',
  409: 'It contradicts what is: an ambiguous name, a used Idempotency-Key, an ended operation, a changed plan',
  410: 'What was read is gone meanwhile; ask again',
  413: 'The body is too large',
  415: 'The body is not JSON',
  422: 'The set, or the cluster, does not allow it',
  429: 'Too many requests; Retry-After says when to come back',
  431: 'The headers are too large',
  500: 'A defect in the service; its log has the details',
  502: 'The cluster or the store answered with an error',
  503: 'The cluster, the store or the service is not available; Retry-After says when to come back',
  504: 'It took too long',
  507: 'The store is full',
};

function problemResponse(status: number) {
  return { description: meanings[status] ?? 'A problem', content: { [problemType]: { schema: problem } } };
}

function callOf<E extends Endpoint>(api: Api, endpoint: E, request: FastifyRequest, reply: FastifyReply): Call<E> {
  const signal = signalOf(reply, endpoint.slow === true ? api.limits.slowHandlerMs : api.limits.handlerMs);
  const caller = callerOf(request);
  const key = request.headers['idempotency-key'];
  const sent = withoutIdentity(request.body);
  const asked = endpoint.params === undefined ? sent : { params: request.params, query: request.query, body: sent };
  const idempotency =
    endpoint.idempotent === true ? idempotencyOf(caller, `${endpoint.method} ${endpoint.path}`, keyText(key), asked) : undefined;
  return {
    params: request.params as ParamsOf<E>,
    query: request.query as QueryOf<E>,
    body: request.body as BodyOf<E>,
    caller,
    signal,
    ...(idempotency !== undefined && { idempotency }),
    identity: given => identityOf(api, request, given, signal),
    header: (name, value) => void reply.header(name, value),
  };
}

/**
 * Aborted when the client goes away before it has its answer, and when the time for the request is up. The framework’s own signal is aborted,
 * and its time limit lifted, as soon as a body has been read.
 */
function signalOf(reply: FastifyReply, limitMs: number): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new HoldfastError('INTERRUPTED', 'the client went away'));
  });
  return AbortSignal.any([gone.signal, AbortSignal.timeout(limitMs)]);
}

function keyText(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'object' ? header.join(',') : header;
}

/** Who makes the request; only asked for behind the authentication. */
export function callerOf(request: FastifyRequest): Caller {
  const { caller } = request.held;
  if (caller === undefined) throw new Error(`${request.routeOptions.url} is served without authentication`);
  return caller;
}

async function identityOf(
  { authorizer }: Api,
  request: FastifyRequest,
  given: GivenIdentity | undefined,
  signal: AbortSignal,
): Promise<IdentitySource | undefined> {
  const { held, principal } = request;
  const identity = sourceOf(held, given);
  requireOwnIdentity(callerOf(request), identity);
  if (identity?.from === 'secret' && (principal === null || !(await authorizer.mayUseSecret(principal, identity, signal)))) {
    throw new HoldfastError('REQUEST_FORBIDDEN', `${principal?.name} may not get the Secret ${identity.namespace}/${identity.name}`);
  }
  delete held.identity;
  return identity;
}

function sourceOf(held: RequestState, given: GivenIdentity | undefined): IdentitySource | undefined {
  if (given === undefined) return undefined;
  if ('secret' in given) return { from: 'secret', ...given.secret };
  if ('file' in given) return { from: 'file', file: given.file };
  if (held.identity === undefined) throw new Error('the body has an identity whose bytes were not put aside');
  return { from: 'value', bytes: held.identity };
}

/** RFC 9110 §13.1.2. */
function sendTagged(request: FastifyRequest, reply: FastifyReply, answer: unknown) {
  const tag = `"${sha256Hex(JSON.stringify(answer)).slice(0, 32)}"`;
  reply.header('etag', tag).header('cache-control', 'private, no-cache');
  const wanted = request.headers['if-none-match'];
  const matches = wanted?.split(',').some(each => ['*', tag, `W/${tag}`].includes(each.trim())) ?? false;
  return matches ? reply.code(304).send() : reply.send(answer);
}
