import { type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions, fastify, LogController } from 'fastify';
import type { Runtime } from '../domain/runtime.ts';
import { answerProblems, frameworkProblem } from './answer-problem.ts';
import type { Authenticator } from './auth/authenticator.ts';
import type { Authorizer } from './auth/authorizer.ts';
import { authenticateRequests, authorizeRequests } from './auth/guard.ts';
import { createStrangers } from './auth/strangers.ts';
import { apiPrefix } from './endpoints.ts';
import { createEventHub, type EventHub } from './events/hub.ts';
import { healthRoutes } from './health.ts';
import { acceptJsonBodies } from './json-body.ts';
import { type ApiLimits, defaultLimits } from './limits.ts';
import type { Api } from './mount.ts';
import { limitRates } from './rate-limit.ts';
import { createRefusals, type Refusals } from './refusals.ts';
import { followRequests, type RequestMeasure } from './request-log.ts';
import { backupRoutes } from './routes/backups.ts';
import { descriptionRoutes } from './routes/description.ts';
import { eventRoutes } from './routes/events.ts';
import { holdRoutes } from './routes/holds.ts';
import { ledgerRoutes } from './routes/ledger.ts';
import { objectiveRoutes } from './routes/objectives.ts';
import { operationRoutes } from './routes/operations.ts';
import { policyRoutes } from './routes/policies.ts';
import { restoreRoutes } from './routes/restores.ts';
import { retentionRoutes } from './routes/retention.ts';
import { validationRoutes } from './routes/validations.ts';
import { verificationRoutes } from './routes/verifications.ts';
import { versionRoutes } from './routes/version.ts';
import { volumeRoutes } from './routes/volumes.ts';
import type { Service } from './service.ts';
import { zodCompilers } from './zod-compilers.ts';

export interface ApiOptions {
  readonly service: Service;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly runtime: Runtime;
  readonly limits?: Partial<ApiLimits>;
  /** pino’s interface. Gets one line a request, and what went wrong within; never a body, a token or an identity. */
  readonly log?: FastifyBaseLogger;
  /** Told of every answered request, for the metrics. */
  readonly onAnswer?: (measure: RequestMeasure) => void;
  /** Addresses of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[];
  /** Event streams that go on when this API is replaced by another one; whoever gives them publishes and closes them. Its own unless given. */
  readonly hub?: EventHub;
}

/** The API, which listens nowhere: `app.routing` answers a request. */
export interface ApiServer {
  readonly app: FastifyInstance;
  /** Requests under way end as they began. */
  close(): Promise<void>;
}

export async function createApiServer(options: ApiOptions): Promise<ApiServer> {
  const { service, runtime } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const app = newServer(options, limits);
  const refusals = createRefusals(refusal => service.refused(refusal), runtime);
  const hub = options.hub ?? createEventHub(limits, runtime);
  const unsubscribe = options.hub === undefined ? service.subscribe(hub.publish) : () => {};

  acceptJsonBodies(app, limits.bodyBytes);
  followRequests(app, options.onAnswer);
  answerProblems(app, refusals);
  descriptionRoutes(app);
  healthRoutes(app, () => service.readiness());
  await app.register(async scope => resourceRoutes(scope, { ...options, limits, hub, refusals }), { prefix: apiPrefix });
  await app.ready();

  return {
    app,
    close: async () => {
      unsubscribe();
      if (options.hub === undefined) hub.close();
      refusals.close();
      await app.close();
    },
  };
}

function newServer(options: ApiOptions, limits: ApiLimits): FastifyInstance {
  const { runtime, log, trustedProxies } = options;
  const common: FastifyServerOptions = {
    ...(log === undefined ? { logger: false } : { loggerInstance: log }),
    logController: new LogController({ disableRequestLogging: true }),
    handlerTimeout: limits.handlerMs,
    bodyLimit: limits.bodyBytes,
    trustProxy: trustedProxies === undefined ? false : [...trustedProxies],
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : Buffer.from(runtime.random(12)).toString('hex');
    },
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: frameworkProblem,
    schemaController: zodCompilers,
  };
  return fastify(common);
}

interface Parts extends Omit<ApiOptions, 'limits'> {
  readonly limits: ApiLimits;
  readonly hub: EventHub;
  readonly refusals: Refusals;
}

/** Whether an address may try, who calls, how often, whether they may: in this order, before a body is read. */
async function resourceRoutes(app: FastifyInstance, parts: Parts): Promise<void> {
  const { service, authenticator, authorizer, refusals, limits, hub, runtime } = parts;
  const strangers = createStrangers(limits.failuresPerMinute, runtime);
  authenticateRequests(app, { authenticator, authorizer, refusals, strangers });
  app.addHook('onRequest', await limitRates(app, limits));
  authorizeRequests(app, { authorizer });
  app.addHook('onRequest', async () => {
    const closed = service.closed?.();
    if (closed !== undefined) throw closed;
  });
  const api: Api = { app, service, authorizer, limits };
  backupRoutes(api);
  restoreRoutes(api);
  verificationRoutes(api);
  validationRoutes(api);
  operationRoutes(api);
  policyRoutes(api);
  objectiveRoutes(api);
  retentionRoutes(api);
  volumeRoutes(api);
  holdRoutes(api);
  ledgerRoutes(api);
  eventRoutes(app, hub);
  versionRoutes(api);
}
