import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { type FastifyInstance, fastify } from 'fastify';
import { createJsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { namespacesHeader, namespacesPattern } from './auth/guard.ts';
import type { Endpoint } from './endpoint.ts';
import { apiPrefix, type endpoints } from './endpoints.ts';
import { healthRoutes } from './health.ts';
import { idempotencyPattern } from './idempotency.ts';
import { allEndpoints } from './methods.ts';
import { routeOf } from './mount.ts';
import { zodCompilers } from './zod-compilers.ts';

/** Everything from this server, nothing inline, in no frame. */
const docsPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Without what belongs to the page’s maker, or has only one choice. */
const pageStyle =
  '.swagger-ui .topbar, .swagger-ui .servers, .swagger-ui .servers-title { display: none } .swagger-ui .scheme-container { padding: 12px 0 }';

/** What each group of endpoints is about, in the order of the page. */
const groups: Readonly<Record<'health' | keyof typeof endpoints, string>> = {
  health: 'Probes; they take no token',
  backups: 'Sets: what was backed up, when, and how long it is kept',
  restores: 'Bringing back what a set holds: planned first, then applied',
  volumes: 'The data of volume claims: what a set has of it, single claims brought back, what is left over',
  verifications: 'Is everything as it was written?',
  validations: 'Is everything back, and does it work?',
  operations: 'All that runs or ran',
  policies: 'What is protected, when, and for how long: the configuration in force',
  objectives: 'What would be lost now, against what was promised',
  retention: 'What stays and what goes, and why',
  holds: 'Sets that retention may not touch',
  ledger: 'Who did, and was refused, what: a signed chain',
  events: 'One stream of everything that happens',
  version: 'Which version answers, and to whom',
};

function tags(): { name: string; description: string }[] {
  return Object.entries(groups).map(([name, description]) => ({ name, description }));
}

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
  const app = fastify({ schemaController: zodCompilers });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        version: 'v1',
        description: [
          'Kubernetes backup and disaster recovery that proves it can restore.',
          '',
          'Every request below `/api/v1` takes a bearer token: press **Authorize**. What takes long answers 202 with an operation; `GET /operations/{id}` follows it,',
          'and one stream of events tells of all. Lists come newest first, page by page. Every error is a problem of RFC 9457 with a stable `code` and a hint.',
        ].join('\n'),
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: tags(),
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
    theme: { title: 'Holdfast API', css: [{ filename: 'holdfast.css', content: pageStyle }] },
    uiConfig: {
      ...{ url: '/openapi.json', validatorUrl: 'none', deepLinking: true, persistAuthorization: false },
      ...{ defaultModelsExpandDepth: 0, displayRequestDuration: true },
    },
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
