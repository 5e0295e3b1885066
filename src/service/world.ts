import type { CaptureVolumes, VolumeWish } from '../backup/volumes/capture.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import type { HookRule } from '../domain/hook-rule.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import type { Policy, Scope } from '../domain/policy.ts';
import type { RepositoryAccess } from '../domain/repository-access.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { VolumeSettings } from '../domain/volume-settings.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Operations } from '../operations/operations.ts';
import type { Ledger } from '../repository/ledger.ts';
import type { LiveCatalog } from '../repository/live-catalog.ts';
import type { Repository } from '../repository/repository.ts';
import type { PlatformCheck } from '../validate/platform.ts';
import type { FrozenPods } from '../volumes/frozen-pods.ts';
import type { Objects } from '../volumes/objects.ts';
import type { OrphansInput } from '../volumes/orphans.ts';
import type { Movers, VolumeRepositories } from '../volumes/ports.ts';
import type { ScaledWorkloads } from '../volumes/scaled-workloads.ts';
import type { EventBus } from './event-bus.ts';
import type { Home } from './home.ts';

/** What may be written with while this replica leads. */
export interface Term {
  /** Aborted when the term ends. */
  readonly signal: AbortSignal;
  readonly fence: Fence;
  /** Writes through the fence. */
  readonly repository: Repository;
  /** Writes through the fence. */
  readonly cluster: ClusterApi;
  /** Writes through the fence. */
  readonly volumes?: TermVolumes;
}

/** What volumes are captured and brought back with. */
export interface TermVolumes {
  readonly settings: VolumeSettings;
  /** Whose objects they make in the cluster: `installationOf`. */
  readonly installation: string;
  /** A Lease of their namespace. */
  readonly lease: OrphansInput['lease'];
  readonly objects: Objects;
  readonly movers: Movers;
  readonly repositories: VolumeRepositories;
  readonly frozen: FrozenPods;
  readonly scaled: ScaledWorkloads;
  /** Access to a claim's repository for this process itself. CONFIG_INVALID, STORE_ codes. */
  readFrom(key: string, signal: AbortSignal): Promise<RepositoryAccess>;
  /** restic here, for reading what a repository holds. */
  readonly program: { readonly restic: string; readonly environment: Readonly<Record<string, string | undefined>> };
  /** `hooks` are tried before those of the settings. */
  capture(wish: VolumeWish, hooks?: readonly HookRule[]): CaptureVolumes;
}

/** Settings that a running service takes up when they change. */
export interface ServiceRules {
  readonly policies: readonly Policy[];
  /** The greatest share of all sets that retention deletes by itself, above 0 and at most 1. */
  readonly maxShare: number;
  /** Other clusters whose sets retention lets go as its own, by `clusterName`. */
  readonly adopted?: readonly string[];
  /** What a backup takes that names neither policy nor tier; everything, without volumes, unless told. */
  readonly manual?: Scope;
  /** Cron, UTC. */
  readonly retentionSchedule: string;
  /** Milliseconds. */
  readonly operationsKeptMs: number;
  readonly catalogRefreshMs: number;
  /** What a validation runs on the platform. */
  readonly platformChecks: () => Promise<readonly PlatformCheck[]>;
}

/** Constant messages with fields, as pino has them. */
export interface ServiceLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the service is made of. */
export interface World {
  readonly version: string;
  readonly runtime: Runtime;
  readonly log: ServiceLog;
  /** For reading; writes go through the term. */
  readonly repository: Repository;
  readonly cluster: ClusterApi;
  /** Undefined until its API server has answered for the first time. */
  readonly home: Home | undefined;
  readonly catalog: LiveCatalog;
  readonly ledger: Ledger;
  readonly operations: Operations;
  readonly events: EventBus;
  readonly keys: {
    readonly recipients: readonly string[];
    /** Ed25519 private key, PEM. */
    readonly signingKey: string;
    /** Public keys (PEM); none where any of the repository's own will do. */
    readonly trusted: readonly string[];
  };
  readonly sealIndex: boolean;
  /** Folder of identities that a request may name; undefined where none is configured. */
  readonly identityDir: string | undefined;
  /** Collects garbage soon: keys that were let go lie in it. */
  readonly forget?: () => void;
  rules(): ServiceRules;
  /** For reading; writes go through the term. */
  readonly volumes?: TermVolumes;
  /** Orphans count when they are older than a day. */
  readonly volumeMetrics?: Pick<Metrics['volumes'], 'captured' | 'orphansFound'>;
  /** Undefined while another replica leads. */
  term(): Term | undefined;
}

/** Of a term for writing, of the world for reading. CONFIG_INVALID where volumes are not configured. */
export function volumesIn({ volumes }: { readonly volumes?: TermVolumes }): TermVolumes {
  if (volumes === undefined) throw new HoldfastError('CONFIG_INVALID', 'volumes are not part of this service');
  return volumes;
}

/** NOT_LEADER while another replica leads. */
export function currentTerm(world: Pick<World, 'term'>): Term {
  const term = world.term();
  if (term === undefined) throw new HoldfastError('NOT_LEADER', 'another replica of the service leads');
  term.fence.check();
  return term;
}

/** Adds to the ledger; what cannot be recorded is logged, and fails nothing that has happened already. */
export async function record(world: Pick<World, 'ledger' | 'log' | 'term'>, fact: LedgerFact): Promise<void> {
  await noteLoss(world, fact, async () => {
    currentTerm(world);
    await world.ledger.append(fact);
  });
}

/** Before something that may not be done without the ledger's knowing. The error of the store, which says that nothing was done; NOT_LEADER. */
export async function recordFirst(world: Pick<World, 'ledger' | 'term'>, fact: LedgerFact): Promise<void> {
  currentTerm(world);
  try {
    await world.ledger.append(fact);
  } catch (thrown) {
    const { code, message } = asHoldfastError(thrown);
    throw new HoldfastError(code, `the ledger could not be told (${fact.action}), so nothing was done: ${message}`, { cause: thrown });
  }
}

/** What this replica has refused, whoever leads: it has happened, and the chain takes entries of several writers. */
export async function recordRefusal(world: Pick<World, 'ledger' | 'log'>, refusal: Omit<LedgerFact, 'action'>): Promise<void> {
  const fact: LedgerFact = { action: 'request.refused', ...refusal };
  await noteLoss(world, fact, () => world.ledger.append(fact));
}

async function noteLoss({ log }: Pick<World, 'log'>, { action, subject }: LedgerFact, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (thrown) {
    log.error({ err: thrown, action, subject }, 'the ledger could not be written');
  }
}
