import type { FastifyBaseLogger } from 'fastify';
import { pino } from 'pino';
import type { RequestMeasure } from '../api/request-log.ts';
import type { ServiceConfig } from '../config/service.ts';
import type { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { MissedFire } from '../schedule/due.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import type { Watch } from '../service/watch.ts';
import type { ServiceLog, World } from '../service/world.ts';

/** Everything by which the service is watched from outside: its logs, metrics, events and notifications. */
export interface Observation {
  readonly log: ServiceLog;
  readonly logger: FastifyBaseLogger;
  /** To be called once, before anything else happens. */
  attach(parts: { readonly world: World; readonly watch: Watch; readonly isLeading: () => boolean }): void;
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

export async function openObservation(service: ServiceConfig, _runtime: Runtime): Promise<Observation> {
  const logger = pino({ level: service.logs.level }, pino.destination(2));
  return {
    log: logger,
    logger,
    attach: () => {},
    onAnswer: () => {},
    onObjectives: () => {},
    onMissed: missed => logger.error({ ...missed }, 'a scheduled backup was missed'),
    onInvalidConfig: error => logger.error({ err: error }, 'the changed configuration is invalid; the one of before stays in force'),
    onConfig: () => {},
    onLeading: () => {},
    serveMetrics: async () => ({ url: '', close: async () => {} }),
    close: async () => {},
  };
}
