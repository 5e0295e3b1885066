import type { Logger } from 'pino';
import type { MetricsServer } from '../api/metrics-server.ts';
import type { RequestMeasure } from '../api/request-log.ts';
import type { Address, ServiceConfig } from '../config/service.ts';
import { programVersion } from '../config/version.ts';
import type { HoldfastError } from '../domain/errors.ts';
import { isEnded, type Operation } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { createLogger } from '../observe/logger.ts';
import { createMetrics, type Standing } from '../observe/metrics.ts';
import { configObservation, missedObservation } from '../observe/notice-sources.ts';
import { noticeTargets, type TargetSettings } from '../observe/targets.ts';
import type { VolumeMetrics } from '../observe/volume-metrics.ts';
import type { MissedFire } from '../schedule/due.ts';
import type { ClusterWatch } from '../service/cluster-watch.ts';
import { standingOf } from '../service/standing.ts';
import type { Look, Watch } from '../service/watch.ts';
import type { World } from '../service/world.ts';
import { measureOperation, secondsOf } from './operation-measures.ts';
import { openSwitch, openTelling, type Telling } from './telling.ts';

/** Everything by which the service is watched from outside: its logs, metrics, events and notifications. */
export interface Observation {
  readonly log: Logger;
  /** There is no world yet; the API server is asked all the same. */
  onWaiting(clusterReachable: () => boolean): void;
  /** To be called before anything else happens in a world, and again for one in place of the one of before. */
  attach(parts: Attached): void;
  readonly onAnswer: (measure: RequestMeasure) => void;
  readonly onLook: (look: Look) => void;
  readonly onMissed: (missed: MissedFire) => void;
  readonly volumes: VolumeMetrics;
  readonly onInvalidConfig: (error: HoldfastError) => void;
  /** What is in force from now on. */
  readonly onConfig: (service: ServiceConfig) => void;
  /** Speaks for the cluster until the signal aborts, and what was told is remembered. */
  lead(signal: AbortSignal): Promise<void>;
  serveMetrics(place: Address): Promise<MetricsServer>;
  /** Resolves when what was told is out, or a moment has passed. */
  lastWords(): Promise<void>;
}

export interface Attached {
  readonly service: ServiceConfig;
  readonly world: World;
  readonly watch: Watch;
  readonly clusterWatch: ClusterWatch;
  /** Of this replica. */
  readonly identity: string;
  /** Aborts when the world ends. */
  readonly signal: AbortSignal;
}

const nothing: Standing = {
  ...{ leading: false, storeReachable: false, clusterReachable: false, ledgerEntries: 0 },
  ...{ policies: [], tiers: [], sets: [], running: {} },
};
const lastWordsMs = 3_000;

export function openObservation(service: ServiceConfig, runtime: Runtime): Observation {
  let { format } = service.logs;
  const log = createLogger({ level: service.logs.level, format: () => format, now: runtime.now });
  let standing = (): Standing => nothing;
  let telling: Telling | undefined;
  let follow: ReturnType<typeof openSwitch> | undefined;
  const metrics = createMetrics(() => standing(), programVersion());
  return {
    log,
    onWaiting: clusterReachable => {
      standing = () => ({ ...nothing, clusterReachable: clusterReachable() });
    },
    attach: parts => {
      const { world, watch, clusterWatch } = parts;
      telling = openTelling(log, parts);
      standing = () =>
        standingOf(world, {
          ...{ objectives: watch.objectives(), storeReachable: watch.storeReachable(), clusterReachable: clusterWatch.reachable() },
        });
      world.operations.subscribe((type, operation) => {
        if (type !== 'changed') return;
        telling?.operation(operation);
        if (!isEnded(operation.phase)) return;
        measureOperation(operation, metrics, world.rules().policies);
        logEnded(operation, log);
      });
      follow = openSwitch(log, parts);
      follow(parts.service);
    },
    onAnswer: ({ method, route, status, durationMs }) => metrics.requestAnswered({ method, route, status, seconds: durationMs / 1000 }),
    onLook: look => telling?.look(look),
    volumes: metrics.volumes,
    onMissed: missed => {
      const { fire, deadline, attempts } = missed;
      metrics.scheduleMissed(fire.policy, fire.tier);
      log.error({ ...fire, deadline, attempts }, 'a scheduled backup was missed');
      telling?.notifier.observe(missedObservation(missed));
    },
    onInvalidConfig: error => {
      log.error({ err: error }, 'the changed configuration is refused; the one of before stays in force');
      telling?.notifier.observe(configObservation(error));
    },
    onConfig: changed => {
      const { logs, notifications } = changed;
      log.level = logs.level;
      format = logs.format;
      follow?.(changed);
      telling?.notifier.replaceTargets(noticeTargets(notifications as TargetSettings, runtime));
      telling?.notifier.observe(configObservation(undefined));
    },
    lead: async signal => {
      log.info({}, 'leading');
      signal.addEventListener('abort', metrics.volumes.standDown, { once: true });
      await telling?.lead(signal);
    },
    serveMetrics: async place => {
      const { serveMetrics } = await import('../api/metrics-server.ts');
      return serveMetrics(metrics, place);
    },
    lastWords: async () => {
      const said = new AbortController();
      await Promise.race([telling?.events.idle(), runtime.sleep(lastWordsMs, said.signal).catch(() => {})]);
      said.abort();
    },
  };
}

function logEnded(operation: Operation, log: Logger): void {
  const { request, phase, result } = operation;
  const { id, kind, subject, actor } = request;
  const level = phase === 'Completed' ? 'info' : phase === 'Failed' ? 'error' : 'warn';
  const details = { operation: id, kind, subject, actor: actor.name, phase, seconds: secondsOf(operation), error: result?.error };
  log[level](details, 'an operation has ended');
}
