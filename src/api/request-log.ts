import type { FastifyInstance } from 'fastify';
import { HoldfastError } from '../domain/errors.ts';
import './request-state.ts';
import { securityHeaders } from './security-headers.ts';

export interface RequestMeasure {
  readonly method: string;
  /** As described, `/api/v1/backups/:set`; `unknown` where there is none. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

export interface RequestFollower {
  /** From now on requests are turned away: SHUTTING_DOWN. */
  stop(): void;
}

interface FollowOptions {
  readonly onAnswer: ((measure: RequestMeasure) => void) | undefined;
  readonly tls: boolean;
}

/** Sees every request begin and end: gives it its id and headers, logs it, measures it, and wipes what it brought. */
export function followRequests(app: FastifyInstance, { onAnswer, tls }: FollowOptions): RequestFollower {
  let stopping = false;
  app.decorateRequest('held', null as never);
  app.decorateRequest('principal', null);

  app.addHook('onRequest', async (request, reply) => {
    request.held = {};
    reply.headers({ ...securityHeaders, 'x-request-id': request.id });
    if (tls) reply.header('strict-transport-security', 'max-age=31536000');
    if (!stopping) return;
    reply.header('connection', 'close');
    throw new HoldfastError('SHUTTING_DOWN', 'the service is stopping');
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
    request.log.info({ requestId: request.id, path: request.url.split('?')[0], user: request.principal?.name, ...measure }, 'request');
    onAnswer?.(measure);
  });
  return {
    stop: () => {
      stopping = true;
    },
  };
}
