import type { FastifyInstance } from 'fastify';
import { eventEndpoints } from '../endpoints/events.ts';
import type { EventHub } from '../events/hub.ts';
import { callerOf, routeOf } from '../mount.ts';

export function eventRoutes(app: FastifyInstance, hub: EventHub): void {
  app.route({
    ...routeOf(eventEndpoints.watch),
    handler: (request, reply) => {
      const caller = callerOf(request);
      hub.admit(caller);
      const lastId = request.headers['last-event-id'];
      reply.hijack();
      reply.raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'x-accel-buffering': 'no',
      });
      hub.attach(caller, reply.raw, typeof lastId === 'string' && lastId !== '' ? lastId : undefined);
    },
  });
}
