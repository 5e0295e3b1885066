import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { type FastifyInstance, fastify } from 'fastify';
import { createJsonSchemaTransform, jsonSchemaTransformObject, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { namespacesHeader, namespacesPattern } from './auth/guard.ts';
import type { Endpoint } from './endpoint.ts';
import { apiPrefix } from './endpoints.ts';
import { healthRoutes } from './health.ts';
import { idempotencyPattern } from './idempotency.ts';
import { allEndpoints } from './methods.ts';
import { routeOf } from './mount.ts';

/** Everything from this server, nothing inline, in no frame. */
const docsPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Operation {
  operationId?: string;
  parameters?: unknown[];
  responses: Record<string, { headers?: Record<string, unknown>; description?: string }>;
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
}

/** Answers GET of /openapi.json and of everything below /docs, and nothing else. */
export async function createDescription(): Promise<FastifyInstance> {
  const app = fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        version: 'v1',
        description: 'Kubernetes backup and disaster recovery that proves it can restore.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A service account’s token, an OIDC token, or one of the token file' },
        },
      },
    },
    transform: createJsonSchemaTransform({ skipList: ['/openapi.json'] }),
    transformObject: document => withHeaders(jsonSchemaTransformObject(document) as unknown as Document) as never,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: docsPolicy,
    theme: { title: 'Holdfast API' },
    uiConfig: { url: '/openapi.json', validatorUrl: 'none', deepLinking: true, persistAuthorization: false },
  });
  healthRoutes(app, () => []);
  for (const endpoint of allEndpoints()) {
    const { url, ...route } = routeOf(endpoint);
    app.route({ ...route, url: `${apiPrefix}${url}`, exposeHeadRoute: false, handler: (_request, reply) => reply.code(501).send() });
  }
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => reply.type('application/json').send(app.swagger()));
  await app.ready();
  return app;
}

const text = (description: string) => ({ description, schema: { type: 'string' } });
const number = (description: string) => ({ description, schema: { type: 'integer' } });
const requestHeader = (name: string, description: string, schema: object) => ({ name, in: 'header', required: false, description, schema });

/** Headers of requests and answers, which schemas of bodies cannot say. */
function withHeaders(document: Document): Document {
  const byId = new Map(allEndpoints().map(endpoint => [endpoint.id, endpoint]));
  for (const [path, operations] of Object.entries(document.paths)) {
    if (!path.startsWith(apiPrefix)) continue;
    for (const operation of Object.values(operations)) {
      const endpoint = byId.get(operation.operationId ?? '');
      if (endpoint !== undefined) describeHeaders(operation, endpoint);
    }
  }
  return document;
}

function describeHeaders(operation: Operation, endpoint: Endpoint): void {
  const { responses } = operation;
  const ok = responses[String(endpoint.success.status)];
  const parameters = [
    ...(endpoint.access === undefined
      ? []
      : [requestHeader(namespacesHeader, 'restricts the request to these namespaces', { type: 'string', pattern: namespacesPattern })]),
    ...(endpoint.idempotent === true
      ? [
          requestHeader('idempotency-key', 'the same work is started only once for it, for 24 hours', {
            type: 'string',
            pattern: idempotencyPattern,
          }),
        ]
      : []),
    ...(endpoint.etag === true ? [requestHeader('if-none-match', 'the ETag of an answer that is known', { type: 'string' })] : []),
    ...(endpoint.stream === true ? [requestHeader('last-event-id', 'the last event that was seen', { type: 'string' })] : []),
  ];
  operation.parameters = [...(operation.parameters ?? []), ...parameters];
  if (endpoint.etag === true) {
    responses['304'] = { description: 'The answer that is known still holds', headers: { etag: text('as sent') } };
    if (ok !== undefined) ok.headers = { etag: text('changes with the answer') };
  }
  if (endpoint.success.status === 202 && ok !== undefined) {
    ok.headers = {
      'retry-after': number('seconds'),
      ...(endpoint.method === 'POST' && { location: text('where to follow the operation') }),
    };
  }
  for (const status of ['429', '503']) {
    const response = responses[status];
    if (response !== undefined) response.headers = { 'retry-after': number('seconds') };
  }
  const unauthorized = responses['401'];
  if (unauthorized !== undefined) unauthorized.headers = { 'www-authenticate': text('RFC 6750') };
}
