import * as z from 'zod';
import { endpoint } from '../endpoint.ts';

export const eventEndpoints = {
  watch: endpoint({
    method: 'GET',
    path: '/events',
    id: 'watchEvents',
    summary: 'Watch everything that happens, as Server-Sent Events',
    description:
      'One stream for all. Events that matter carry an id: send the last one back as Last-Event-ID and nothing is missed. `reset` says that too much was missed: read anew. A comment comes every 15 seconds; the stream ends by itself after a while, so that the token is checked again.',
    access: { resource: 'events', verb: 'watch' },
    tenants: true,
    success: {
      status: 200,
      schema: z.looseObject({ event: z.string(), data: z.string().describe('JSON'), id: z.string().exactOptional() }).describe('one event'),
      description: 'Events',
    },
    problems: [503],
    stream: true,
  }),
};
