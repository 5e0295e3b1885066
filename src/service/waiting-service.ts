import type { Readiness, Refusal, Service } from '../api/service.ts';
import type { HoldfastError } from '../domain/errors.ts';
import type { ServiceLog } from './world.ts';

/** Refusals that are kept for the ledger. More are in the log alone. */
const mostRefusals = 500;

export interface WaitingOptions {
  readonly version: string;
  readonly log: ServiceLog;
  /** What is waited for, and why. */
  readonly closed: () => HoldfastError;
  readonly readiness: () => readonly Readiness[];
}

/** The service while it has no repository: it says so to whoever may know. */
export interface WaitingService extends Service {
  closed(): HoldfastError;
  /** What was refused meanwhile, and what is still to be told of it, is for the ledger of the one that takes its place. */
  handOver(to: Pick<Service, 'refused'>): void;
}

export function createWaitingService({ version, log, closed, readiness }: WaitingOptions): WaitingService {
  const kept: Refusal[] = [];
  let successor: Pick<Service, 'refused'> | undefined;
  const refuse = (): never => {
    throw closed();
  };
  const later = async (): Promise<never> => refuse();
  return {
    ...{ version, closed, readiness },
    backups: { list: later, get: later, objects: later },
    operations: { start: later, list: later, get: later, log: later, cancel: later },
    retention: { plan: later, planDeletion: later, holds: later, hold: later, release: later },
    volumes: { files: later, orphans: later, removeOrphans: later },
    ...{ planRestore: later, policies: refuse, objectives: later, ledger: later, verifyLedger: later },
    subscribe: () => () => {},
    refused: refusal => {
      if (successor !== undefined) return successor.refused(refusal);
      const { actor, request, code, reason, count } = refusal;
      log.warn({ actor: actor.name, request, code, reason, count }, 'a request was refused');
      if (kept.length < mostRefusals) kept.push(refusal);
    },
    handOver: to => {
      successor = to;
      for (const refusal of kept.splice(0)) to.refused(refusal);
    },
  };
}
