import type { ServedOptions } from '../api/listen.ts';
import type { ApiPlace } from '../api/listener.ts';
import { replaceListener } from '../api/replace-listener.ts';
import type { Address, ServiceConfig } from '../config/service.ts';
import type { Runtime } from '../domain/runtime.ts';
import { createAuthenticator, createAuthorizer } from './access.ts';
import type { Life } from './life.ts';
import type { Observation } from './observation.ts';

/** What is behind the API. */
export type Behind = Pick<Life, 'service' | 'cluster'>;

/** Where the service is reached: its API and its metrics. */
export interface Front {
  readonly addresses: { readonly api: string; readonly metrics: string };
  /**
   * Goes to where the configuration says, and makes an API by it, which answers with the call of what it resolves with. CONFIG_INVALID for what
   * cannot be listened on or read; everything is then as it was.
   */
  prepare(service: ServiceConfig, behind: Behind): Promise<() => void>;
  /** What is under way has some seconds to end. */
  close(): Promise<void>;
}

export interface FrontParts {
  readonly runtime: Runtime;
  readonly observation: Observation;
  readonly onWarning: (text: string) => void;
}

/** CONFIG_INVALID. */
export async function openFront(first: ServiceConfig, behind: Behind, parts: FrontParts): Promise<Front> {
  const { observation, onWarning } = parts;
  const { listenApi } = await import('../api/listen.ts');
  const api = await listenApi({ ...(await servedBy(first, behind, parts)), ...placeOf(first), onWarning });
  let metrics = await observation.serveMetrics(first.metricsListen);
  let metricsAt = first.metricsListen;
  let [access, answering] = [accessOf(first), behind];

  const moveMetrics = async (place: Address): Promise<void> => {
    if (place.host === metricsAt.host && place.port === metricsAt.port) return;
    const [before, port] = [metrics, Number(new URL(metrics.url).port)];
    const { now, refused } = await replaceListener(before, {
      open: () => observation.serveMetrics(place),
      leave: () => void before.close(),
      reopen: () => observation.serveMetrics({ ...metricsAt, port }),
      isInTheWay: place.port === port,
    });
    metrics = now;
    if (refused !== undefined) throw refused;
    metricsAt = place;
  };

  return {
    get addresses() {
      return { api: api.url, metrics: metrics.url };
    },
    prepare: async (next, whom) => {
      const use = await api.prepare(await servedBy(next, whom, parts));
      const before = metricsAt;
      await moveMetrics(next.metricsListen);
      await api.move(placeOf(next)).catch(async (thrown: unknown) => {
        await moveMetrics(before);
        throw thrown;
      });
      return () => {
        use();
        if (whom !== answering || accessOf(next) !== access) api.endStreams();
        [access, answering] = [accessOf(next), whom];
      };
    },
    close: async () => void (await Promise.all([api.close(), metrics.close()])),
  };
}

async function servedBy(service: ServiceConfig, { service: behind, cluster }: Behind, parts: FrontParts): Promise<ServedOptions> {
  const { runtime, observation, onWarning } = parts;
  const access = { cluster, runtime, onWarning, service };
  const { trustedProxies, limits } = service;
  return {
    ...{ service: behind, runtime, trustedProxies, log: observation.log, onAnswer: observation.onAnswer },
    authenticator: await createAuthenticator(access),
    authorizer: await createAuthorizer(access),
    limits: { ...limits, requestMs: limits.handlerMs },
  };
}

function placeOf({ listen, tls, insecureHttp }: ServiceConfig): ApiPlace {
  return { ...listen, tls, insecureHttp };
}

/** Who reads along is asked anew once this changes. */
function accessOf({ auth, authorization }: ServiceConfig): string {
  return JSON.stringify([auth, authorization]);
}
