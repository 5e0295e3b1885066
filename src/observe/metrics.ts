import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type OperationKind, type OperationPhase, operationKinds, operationPhases } from '../domain/operation.ts';
import type { Part } from '../domain/policy.ts';
import { createVolumeMetrics, type VolumeMetrics } from './volume-metrics.ts';

/** How things stand, asked for at every scrape. Times are seconds, sizes bytes. */
export interface Standing {
  readonly leading: boolean;
  readonly storeReachable: boolean;
  readonly clusterReachable: boolean;
  readonly ledgerEntries: number;
  readonly policies: readonly {
    readonly policy: string;
    readonly rpo?: number;
    readonly rpoObjective?: number;
    readonly rto?: number;
    readonly rtoObjective?: number;
    readonly notProtected: readonly Part[];
  }[];
  readonly tiers: readonly {
    readonly policy: string;
    readonly tier: string;
    /** Unix time of the newest complete set. */
    readonly lastSuccess?: number;
    /** Unix time. */
    readonly nextRun?: number;
    readonly overdue: boolean;
  }[];
  readonly sets: readonly { readonly tier: string; readonly phase: string; readonly count: number; readonly bytes: number }[];
  readonly running: Readonly<Partial<Record<OperationKind, number>>>;
}

export interface BackupMeasure {
  readonly policy: string;
  readonly tier: string;
  readonly phase: OperationPhase;
  readonly seconds: number;
  readonly objects: number;
  readonly bytes: number;
  /** Items that could not be captured. */
  readonly problems: number;
}

/** What is measured. Labels have few values, so that the series stay few. */
export interface Metrics {
  readonly contentType: string;
  metrics(): Promise<string>;
  backupEnded(measure: BackupMeasure): void;
  operationEnded(kind: OperationKind, phase: OperationPhase, seconds: number): void;
  scheduleMissed(policy: string, tier: string): void;
  readonly volumes: VolumeMetrics;
  /** Latency in seconds; `route` as the API describes it. */
  requestAnswered(measure: { readonly method: string; readonly route: string; readonly status: number; readonly seconds: number }): void;
}

const jobSeconds = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200];
const requestSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A registry of its own. `standing` is called at every scrape and must be quick. */
export function createMetrics(standing: () => Standing): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  now(registry, standing);

  const duration = new Histogram({
    ...{ name: 'holdfast_backup_duration_seconds', help: 'How long backups took.', registers },
    ...{ labelNames: ['policy', 'tier'], buckets: jobSeconds },
  });
  const objects = gauge(registry, 'holdfast_backup_objects', 'Objects in the newest set of a tier.', ['policy', 'tier']);
  const bytes = gauge(registry, 'holdfast_backup_bytes', 'Bytes of JSON of the newest set of a tier.', ['policy', 'tier']);
  const items = new Counter({
    ...{ name: 'holdfast_backup_items_total', help: 'Objects captured, and kinds or objects that could not be.', registers },
    labelNames: ['result'],
  });
  const restores = new Histogram({
    ...{ name: 'holdfast_restore_duration_seconds', help: 'How long restores took.', registers, buckets: jobSeconds },
  });
  const verified = gauge(
    registry,
    'holdfast_verify_last_success_timestamp_seconds',
    'When a verification last found everything as it was written.',
  );
  // It would say 1970 until the first one.
  verified.remove();
  const damaged = new Counter({ name: 'holdfast_verify_failures_total', help: 'Verifications that found damage.', registers });
  const missed = new Counter({
    ...{ name: 'holdfast_schedule_missed_total', help: 'Scheduled runs that were given up.', registers, labelNames: ['policy', 'tier'] },
  });
  const ended = new Counter({
    ...{ name: 'holdfast_operations_total', help: 'Operations that have ended, by how.', registers, labelNames: ['kind', 'phase'] },
  });
  for (const kind of operationKinds) for (const phase of operationPhases.slice(2)) ended.inc({ kind, phase }, 0);
  const requests = new Counter({
    ...{
      name: 'holdfast_api_requests_total',
      help: 'Requests to the API, by route.',
      registers,
      labelNames: ['method', 'route', 'status'],
    },
  });
  const latency = new Histogram({
    ...{ name: 'holdfast_api_request_duration_seconds', help: 'How long requests took.', registers, buckets: requestSeconds },
    labelNames: ['method', 'route'],
  });

  return {
    contentType: registry.contentType,
    metrics: () => registry.metrics(),
    backupEnded: measure => {
      const { policy, tier } = measure;
      if (measure.phase !== 'Completed' && measure.phase !== 'PartiallyFailed') return;
      duration.observe({ policy, tier }, measure.seconds);
      objects.set({ policy, tier }, measure.objects);
      bytes.set({ policy, tier }, measure.bytes);
      items.inc({ result: 'captured' }, measure.objects);
      items.inc({ result: 'failed' }, measure.problems);
    },
    operationEnded: (kind, phase, seconds) => {
      ended.inc({ kind, phase });
      if (kind === 'restore' && phase === 'Completed') restores.observe(seconds);
      if (kind === 'verify' && phase === 'Completed') verified.setToCurrentTime();
      if (kind === 'verify' && phase === 'Failed') damaged.inc();
    },
    volumes: createVolumeMetrics(registry),
    scheduleMissed: (policy, tier) => missed.inc({ policy, tier }),
    requestAnswered: ({ method, route, status, seconds }) => {
      requests.inc({ method, route, status: String(status) });
      latency.observe({ method, route }, seconds);
    },
  };
}

/** Gauges that are filled at the scrape. */
function now(registry: Registry, standing: () => Standing): void {
  const perPolicy = (name: string, help: string) => gauge(registry, name, help, ['policy']);
  const perTier = (name: string, help: string) => gauge(registry, name, help, ['policy', 'tier']);
  const rpo = perPolicy('holdfast_rpo_seconds', 'Age of the newest complete set: what would be lost now.');
  const rpoObjective = perPolicy('holdfast_rpo_objective_seconds', 'What may be lost at most.');
  const rto = perPolicy('holdfast_rto_seconds', 'How long the last restore took.');
  const rtoObjective = perPolicy('holdfast_rto_objective_seconds', 'How long a restore may take at most.');
  const gaps = gauge(registry, 'holdfast_not_protected', '1 for each part that a policy asks for and no set has.', ['policy', 'part']);
  const success = perTier('holdfast_backup_last_success_timestamp_seconds', 'When the newest complete set was begun.');
  const next = perTier('holdfast_schedule_next_timestamp_seconds', 'When a tier is due next.');
  const overdue = perTier('holdfast_schedule_overdue', '1 while a run has no set an hour after its time.');
  const sets = gauge(registry, 'holdfast_sets', 'Sets in the repository.', ['tier', 'phase']);
  const stored = gauge(registry, 'holdfast_store_bytes', 'Bytes that the files of all sets take.', ['tier']);
  const running = gauge(registry, 'holdfast_operations_running', 'Operations under way.', ['kind']);
  const leader = gauge(registry, 'holdfast_leader', '1 in the replica that leads.');
  const reachable = gauge(registry, 'holdfast_store_reachable', '1 while the location answers.');
  const clusterReachable = gauge(registry, 'holdfast_cluster_reachable', '1 while the API server answers.');
  const ledger = gauge(registry, 'holdfast_ledger_entries', 'Entries of the ledger.');
  const all = [rpo, rpoObjective, rto, rtoObjective, gaps, success, next, overdue, sets, stored, running];

  const fill = (): void => {
    const at = standing();
    // What is gone from the configuration must not stay as it was last.
    for (const one of all) one.reset();
    for (const { policy, notProtected, ...values } of at.policies) {
      set(rpo, { policy }, values.rpo);
      set(rpoObjective, { policy }, values.rpoObjective);
      set(rto, { policy }, values.rto);
      set(rtoObjective, { policy }, values.rtoObjective);
      for (const part of notProtected) gaps.set({ policy, part }, 1);
    }
    for (const { policy, tier, ...values } of at.tiers) {
      set(success, { policy, tier }, values.lastSuccess);
      set(next, { policy, tier }, values.nextRun);
      overdue.set({ policy, tier }, values.overdue ? 1 : 0);
    }
    for (const { tier, phase, count, bytes } of at.sets) {
      sets.set({ tier, phase }, count);
      stored.inc({ tier }, bytes);
    }
    for (const kind of operationKinds) running.set({ kind }, at.running[kind] ?? 0);
    leader.set(at.leading ? 1 : 0);
    reachable.set(at.storeReachable ? 1 : 0);
    clusterReachable.set(at.clusterReachable ? 1 : 0);
    ledger.set(at.ledgerEntries);
  };
  // The registry collects in the order of registration: the first one fills all.
  Object.assign(rpo, { collect: fill });
}

function set(of: Gauge, labels: Record<string, string>, value: number | undefined): void {
  if (value !== undefined) of.set(labels, value);
}

function gauge(registry: Registry, name: string, help: string, labelNames: readonly string[] = []): Gauge {
  return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
}
