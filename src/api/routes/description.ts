import type { FastifyInstance } from 'fastify';

const passedOn = ['content-type', 'content-security-policy', 'location'];

/**
 * The API’s description at /openapi.json, and a page that shows it at /docs. What makes them is loaded when somebody first looks: a service
 * that runs for months is rarely asked.
 */
export function descriptionRoutes(app: FastifyInstance): void {
  let made: Promise<FastifyInstance> | undefined;
  const description = () => (made ??= import('../openapi.ts').then(({ createDescription }) => createDescription()));
  app.addHook('onClose', async () => (await made)?.close());
  for (const url of ['/openapi.json', '/docs', '/docs/*']) {
    app.route({
      method: 'GET',
      url,
      schema: { hide: true },
      handler: async (request, reply) => {
        const answer = await (await description()).inject({ method: 'GET', url: request.url });
        if (answer.statusCode === 404) return reply.callNotFound();
        for (const name of passedOn) if (answer.headers[name] !== undefined) reply.header(name, answer.headers[name]);
        return reply.code(answer.statusCode).send(answer.rawPayload);
      },
    });
  }
}
