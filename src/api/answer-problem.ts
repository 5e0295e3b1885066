import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import { routeName } from './auth/guard.ts';
import { methodFinder, shadowedMethods } from './methods.ts';
import { problemOf, problemStatus, problemType, requestError } from './problem.ts';
import type { Refusals } from './refusals.ts';
import { securityHeaders } from './security-headers.ts';

const retryAfterSeconds = 5;
const retryElsewhereSeconds = 1;

/** Nothing is broken where a service says so: any client that asks for too much, or asks the wrong replica, could fill a log with errors. */
const refusalCodes: readonly ErrorCode[] = ['STREAMS_EXHAUSTED', 'NOT_LEADER', 'SHUTTING_DOWN', 'SERVICE_WAITING'];

/** Makes every error of the server a problem of RFC 9457, unknown paths and methods included. */
export function answerProblems(app: FastifyInstance, refusals: Refusals): void {
  const methodsOf = methodFinder();
  const notFound = (request: FastifyRequest, reply: FastifyReply) => {
    const methods = methodsOf(pathOf(request));
    if (methods === undefined) return sendProblem(new HoldfastError('ROUTE_NOT_FOUND', 'there is nothing at this path'), request, reply);
    reply.header('allow', methods.join(', '));
    if (request.method === 'OPTIONS') return reply.code(204).send();
    return sendProblem(new HoldfastError('METHOD_NOT_ALLOWED', `${request.method} is not possible here`), request, reply);
  };
  app.setNotFoundHandler(notFound);
  for (const route of shadowedMethods()) app.route({ ...route, schema: { hide: true }, exposeHeadRoute: false, handler: notFound });

  app.setErrorHandler((thrown, request, reply) => {
    // Whatever is wrong with its body, there is nothing to send it to.
    if (request.is404) return notFound(request, reply);
    const error = requestError(thrown);
    const status = problemStatus(error);
    const { code } = error;
    if (refusalCodes.includes(code)) request.log.warn({ requestId: request.id, code, reason: error.message }, 'request refused');
    else if (status >= 500) request.log.error({ err: thrown, requestId: request.id, code }, 'request failed');
    if (error.code === 'REQUEST_FORBIDDEN' && request.principal !== null) {
      refusals.tell({ name: request.principal.name, via: 'api' }, routeName(request), 'REQUEST_FORBIDDEN', error.message);
    }
    return sendProblem(error, request, reply);
  });
}

export function sendProblem(error: HoldfastError, request: FastifyRequest, reply: FastifyReply) {
  const problem = problemOf(error, pathOf(request), request.id);
  const elsewhere = error.code === 'NOT_LEADER';
  // Where several replicas are behind one address, another connection may lead to the one that leads.
  if (elsewhere) reply.header('connection', 'close');
  if (problem.status === 503 && reply.getHeader('retry-after') === undefined)
    reply.header('retry-after', elsewhere ? retryElsewhereSeconds : retryAfterSeconds);
  // As bytes: no schema is asked, so that nothing can go wrong any more.
  return reply
    .code(problem.status)
    .type(problemType)
    .send(Buffer.from(JSON.stringify(problem)));
}

/** For what fails before there is a route. */
export function frameworkProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ ...securityHeaders, 'x-request-id': request.id });
  sendProblem(requestError(thrown), request, reply);
}

/** For what never became a request: answers on the bare connection, then closes it. */
export function connectionProblem(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const found =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? new HoldfastError('REQUEST_SLOW', 'the request did not arrive within the time limit')
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? new HoldfastError('HEADERS_TOO_LARGE', 'the headers are larger than the service takes')
        : new HoldfastError('REQUEST_INVALID', 'this is not HTTP/1.1 as the service understands it');
  const body = JSON.stringify(problemOf(found, '/', ''));
  const head = [
    `HTTP/1.1 ${found.status} ${STATUS_CODES[found.status]}`,
    `content-type: ${problemType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...Object.entries(securityHeaders).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? url;
}
