import type { Logger } from 'pino';
import type { RequestMeasure } from '../api/request-log.ts';
import type { ServiceConfig } from '../config/service.ts';
import type { HoldfastError } from '../domain/errors.ts';
import { isEnded, type Operation } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { createLogger } from '../observe/logger.ts';
import { createMetrics, type Metrics, type Standing } from '../observe/metrics.ts';
import type { MissedFire } from '../schedule/due.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import { standingOf } from '../service/standing.ts';
import type { Watch } from '../service/watch.ts';
import type { World } from '../service/world.ts';

/** Everything by which the service is watched from outside: its logs, metrics, events and notifications. */
export interface Observation {
  readonly log: Logger;
  /** To be called once, before anything else happens. */
  attach(parts: { readonly world: World; readonly watch: Watch }): void;
  readonly onAnswer: (measure: RequestMeasure) => void;
  readonly onObjectives: (statuses: readonly ObjectiveStatus[]) => void;
  readonly onMissed: (missed: MissedFire) => void;
  readonly onInvalidConfig: (error: HoldfastError) => void;
  /** What is in force from now on. */
  readonly onConfig: (service: ServiceConfig) => void;
  readonly onLeading: (leading: boolean) => void;
  serveMetrics(): Promise<{ readonly url: string; close(): Promise<void> }>;
  close(): Promise<void>;
}

const nothing: Standing = {
  ...{ leading: false, storeReachable: false, ledgerEntries: 0, policies: [], tiers: [], sets: [], running: {} },
};

export async function openObservation(service: ServiceConfig, runtime: Runtime): Promise<Observation> {
  const log = createLogger({ ...service.logs, now: runtime.now });
  let standing = (): Standing => nothing;
  const metrics = createMetrics(() => standing());
  return {
    log,
    attach: ({ world, watch }) => {
      standing = () => standingOf(world, { objectives: watch.objectives(), storeReachable: watch.storeReachable() });
      world.operations.subscribe((type, operation) => {
        if (type === 'changed' && isEnded(operation.phase)) operationEnded(operation, log, metrics);
      });
    },
    onAnswer: ({ method, route, status, durationMs }) => metrics.requestAnswered({ method, route, status, seconds: durationMs / 1000 }),
    onObjectives: () => {},
    onMissed: ({ fire, deadline, attempts }) => {
      metrics.scheduleMissed(fire.policy, fire.tier);
      log.error({ ...fire, deadline, attempts }, 'a scheduled backup was missed');
    },
    onInvalidConfig: error => log.error({ err: error }, 'the changed configuration is invalid; the one of before stays in force'),
    onConfig: ({ logs }) => {
      log.level = logs.level;
    },
    onLeading: leading => log.info({}, leading ? 'leading' : 'not leading any more'),
    serveMetrics: async () => {
      const { serveMetrics } = await import('../api/metrics-server.ts');
      return serveMetrics(metrics, service.metricsListen);
    },
    close: async () => log.flush(),
  };
}

function operationEnded({ request, phase, startedAt, result }: Operation, log: Logger, metrics: Metrics): void {
  const { id, kind, subject, actor, parameters } = request;
  const seconds = result === undefined || startedAt === undefined ? 0 : (Date.parse(result.finishedAt) - Date.parse(startedAt)) / 1000;
  metrics.operationEnded(kind, phase, seconds);
  const level = phase === 'Completed' ? 'info' : phase === 'Failed' ? 'error' : 'warn';
  log[level]({ operation: id, kind, subject, actor: actor.name, phase, seconds, error: result?.error }, 'an operation has ended');
  if (kind !== 'backup') return;
  const count = (name: string): number => Number(result?.summary[name] ?? 0);
  const { policy = '', tier = '' } = parameters as { policy?: string; tier?: string };
  metrics.backupEnded({ policy, tier, phase, seconds, objects: count('objects'), bytes: count('bytes'), problems: count('problems') });
}
