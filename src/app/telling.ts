import type { Logger } from 'pino';
import type { ServiceConfig } from '../config/service.ts';
import type { Operation } from '../domain/operation.ts';
import { runDeadMansSwitch, whatIsWrong } from '../observe/dead-mans-switch.ts';
import { noticeFact, operationFact } from '../observe/event-reasons.ts';
import { createEventRecorder, type EventRecorder } from '../observe/kubernetes-events.ts';
import { objectiveObservations, operationObservations, storeObservation } from '../observe/notice-sources.ts';
import { createNoticeStore } from '../observe/notice-store.ts';
import { createNotifier, type Notifier } from '../observe/notify.ts';
import { addressOf } from '../observe/secret-file.ts';
import { noticeTargets, type TargetSettings } from '../observe/targets.ts';
import type { Look, Watch } from '../service/watch.ts';
import type { World } from '../service/world.ts';
import type { Attached } from './observation.ts';

/** What is told to people and to the cluster. */
export interface Telling {
  readonly notifier: Notifier;
  readonly events: EventRecorder;
  operation(operation: Operation): void;
  look(look: Look): void;
  lead(signal: AbortSignal): Promise<void>;
}

/** Events are about the Lease of the service, which is there wherever it runs. */
export function openTelling(log: Logger, { service, world, identity }: Omit<Attached, 'signal'>): Telling {
  const { namespace, name } = service.leaderElection;
  const { runtime, cluster, repository } = world;
  const isLeading = (): boolean => world.term() !== undefined;
  const events = createEventRecorder({
    ...{ cluster, runtime, instance: identity.slice(0, 128) },
    regarding: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name },
    onTrouble: (error, reason) => log.warn({ err: error, reason }, 'an Event could not be written'),
  });
  const notifier = createNotifier({
    ...{ cluster: cluster.server, runtime, log },
    targets: noticeTargets(service.notifications as TargetSettings, runtime),
    store: createNoticeStore(cluster, { namespace, name: `${name}-notices` }),
    onNotice: notice => {
      const fact = noticeFact(notice);
      if (fact !== undefined) events.record(fact);
    },
  });
  return {
    ...{ notifier, events },
    operation: operation => {
      notifier.observe(...operationObservations(operation));
      const fact = isLeading() ? operationFact(operation) : undefined;
      if (fact !== undefined) events.record(fact);
    },
    look: ({ objectives, trouble }) => {
      if (objectives !== undefined) notifier.observe(...objectiveObservations(objectives));
      notifier.observe(storeObservation(trouble === undefined, repository.store.url, trouble));
    },
    lead: signal => {
      events.record({ reason: 'LeaderElected', topic: identity, note: `${identity} leads` });
      return notifier.lead(signal);
    },
  };
}

/** What a switch needs of the service. */
export interface Watched {
  readonly world: Pick<World, 'term' | 'runtime'>;
  readonly watch: Pick<Watch, 'storeReachable' | 'objectives'>;
  /** Aborts when the service ends. */
  readonly signal: AbortSignal;
}

/**
 * Asks for the address that somebody watches from outside, while all is well. To be told of every configuration: with another address or time it
 * asks anew, at once; without an address it is silent.
 */
export function openSwitch(log: Logger, { world, watch, signal }: Watched): (service: Pick<ServiceConfig, 'notifications'>) => void {
  let inForce: string | undefined;
  let replaced = new AbortController();
  return ({ notifications }) => {
    const { url, urlFile, every } = notifications.deadMansSwitch ?? {};
    const wanted = JSON.stringify([url, urlFile, every]);
    if (wanted === inForce) return;
    inForce = wanted;
    replaced.abort();
    replaced = new AbortController();
    if ((url === undefined && urlFile === undefined) || every === undefined) return;
    void runDeadMansSwitch({
      ...{
        address: addressOf({ url, urlFile }),
        everyMs: every,
        runtime: world.runtime,
        log,
        signal: AbortSignal.any([signal, replaced.signal]),
      },
      whatIsWrong: () =>
        whatIsWrong({ isLeading: world.term() !== undefined, isStoreReachable: watch.storeReachable(), objectives: watch.objectives() }),
    });
  };
}
