import type { Actor } from './operation.ts';

/** What the ledger tells. */
export const ledgerActions = [
  'repository.created',
  'backup.completed',
  'backup.partially-failed',
  'backup.failed',
  'restore.started',
  'restore.ended',
  'set.deleted',
  'set.held',
  'set.released',
  'verify.ended',
  'validate.ended',
  'volumes.upkeep',
  'volumes.orphans-removed',
  'drill.ended',
  'key.changed',
  'request.refused',
  'service.started',
  'schedule.missed',
  'operation.cancelled',
  'operation.interrupted',
] as const;
export type LedgerAction = (typeof ledgerActions)[number];

/** What happened, as the caller tells it. */
export interface LedgerFact {
  readonly action: LedgerAction;
  readonly actor: Actor;
  /** The set, operation or key that it is about. */
  readonly subject: string;
  /** JSON, never a secret. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A fact in its place in the chain. */
export interface LedgerEntry extends LedgerFact {
  readonly formatVersion: 1;
  /** From 1, without gaps. */
  readonly seq: number;
  /** RFC 3339, UTC, by the writer's clock. */
  readonly at: string;
  /** SHA-256 of the whole file of the entry before, lower-case hex; 64 zeros for the first. */
  readonly previous: string;
  /** Repository id. */
  readonly repository: string;
}
