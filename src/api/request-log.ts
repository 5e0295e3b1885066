import type { FastifyInstance } from 'fastify';
import './request-state.ts';
import { securityHeaders } from './security-headers.ts';

export interface RequestMeasure {
  readonly method: string;
  /** As described, `/api/v1/backups/:set`; `unknown` where there is none. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

/** Asked every few seconds for as long as the service lives. */
const probes = new Set(['/healthz', '/readyz']);

/** Sees every request begin and end: gives it its id and headers, logs it, measures it, and wipes what it brought. */
export function followRequests(app: FastifyInstance, onAnswer?: (measure: RequestMeasure) => void): void {
  app.decorateRequest('held', null as never);
  app.decorateRequest('principal', null);

  app.addHook('onRequest', async (request, reply) => {
    request.held = {};
    reply.headers({ ...securityHeaders, 'x-request-id': request.id });
    if ('encrypted' in request.raw.socket) reply.header('strict-transport-security', 'max-age=31536000');
  });

  app.addHook('onResponse', async (request, reply) => {
    request.held.identity?.fill(0);
    delete request.held.identity;
    const measure: RequestMeasure = {
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
      status: reply.statusCode,
      durationMs: reply.elapsedTime,
    };
    const level = probes.has(measure.route) ? 'debug' : 'info';
    request.log[level]({ requestId: request.id, path: request.url.split('?')[0], user: request.principal?.name, ...measure }, 'request');
    onAnswer?.(measure);
  });
}
