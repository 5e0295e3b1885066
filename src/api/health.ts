import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import type { Readiness } from './service.ts';

const live = z.object({ status: z.literal('ok') });
const readiness = z.object({
  status: z.enum(['ready', 'not-ready']),
  checks: z.array(
    z.object({
      name: z.string(),
      ok: z.boolean(),
      code: z.string().optional().describe('Why not, by the codes of problems'),
      since: z.string().optional().describe('Since when not'),
      retryAt: z.string().optional().describe('When it is tried again; absent while it is being tried'),
    }),
  ),
});

/** For probes, without a token. They say which part works, and of one that does not since when, never where it lies. */
export function healthRoutes(app: FastifyInstance, checks: () => readonly Readiness[]): void {
  app.route({
    method: 'GET',
    url: '/healthz',
    schema: { operationId: 'getHealth', summary: 'Does the process answer?', tags: ['health'], response: { 200: live } },
    handler: async () => ({ status: 'ok' }),
  });
  app.route({
    method: 'GET',
    url: '/readyz',
    schema: {
      operationId: 'getReadiness',
      summary: 'Does everything work that the service needs?',
      tags: ['health'],
      response: { 200: readiness, 503: readiness },
    },
    handler: async (_request, reply) => {
      const parts = checks();
      const ready = parts.every(part => part.ok);
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not-ready', checks: parts });
    },
  });
}
