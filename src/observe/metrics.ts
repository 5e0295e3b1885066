import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../domain/errors.ts';
import { type OperationKind, type OperationPhase, operationKinds, operationPhases } from '../domain/operation.ts';
import type { Part } from '../domain/policy.ts';
import { createVolumeMetrics, type VolumeMetrics } from './volume-metrics.ts';

/** How objectives are kept, seconds. */
export interface Kept {
  readonly rpo?: number;
  readonly rpoObjective?: number;
  readonly rto?: number;
  readonly rtoObjective?: number;
}

/** How things stand, asked for at every scrape. Times are seconds, sizes bytes. */
export interface Standing {
  readonly leading: boolean;
  readonly storeReachable: boolean;
  readonly clusterReachable: boolean;
  readonly ledgerEntries: number;
  readonly policies: readonly (Kept & { readonly policy: string; readonly notProtected: readonly Part[] })[];
  readonly tiers: readonly (Kept & {
    readonly policy: string;
    readonly tier: string;
    /** The newest complete set: when it was begun (Unix time), its objects, and bytes of their JSON. */
    readonly newest?: { readonly at: number; readonly objects: number; readonly bytes: number };
    /** Unix time. */
    readonly nextRun?: number;
    readonly overdue: boolean;
  })[];
  readonly sets: readonly { readonly tier: string; readonly phase: string; readonly count: number; readonly bytes: number }[];
  readonly running: Readonly<Partial<Record<OperationKind, number>>>;
}

export interface BackupMeasure {
  readonly policy: string;
  readonly tier: string;
  readonly phase: OperationPhase;
  readonly seconds: number;
  readonly objects: number;
  /** Items that could not be captured. */
  readonly problems: number;
}

export interface OperationMeasure {
  readonly kind: OperationKind;
  readonly phase: OperationPhase;
  readonly seconds: number;
  /** Why it did not complete. */
  readonly code?: ErrorCode;
  /** It was only to say what it would do. */
  readonly dryRun?: boolean;
}

/** What is measured. Labels have few values, so that the series stay few. */
export interface Metrics {
  readonly contentType: string;
  metrics(): Promise<string>;
  backupEnded(measure: BackupMeasure): void;
  operationEnded(measure: OperationMeasure): void;
  scheduleMissed(policy: string, tier: string): void;
  readonly volumes: VolumeMetrics;
  /** Latency in seconds; `route` as the API describes it. */
  requestAnswered(measure: { readonly method: string; readonly route: string; readonly status: number; readonly seconds: number }): void;
}

const jobSeconds = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200];
const requestSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A registry of its own. `standing` is called at every scrape and must be quick. */
export function createMetrics(standing: () => Standing, version: string): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // Ten times a second: a hundred times, as it comes, is a good part of what an idle service takes.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  // What is filled at the scrape is collected in the order of registration: the gauges of volumes come after those that fill them.
  let volumes: VolumeMetrics | undefined;
  gauge(registry, 'holdfast_build_info', 'Always 1; its label says which version runs.', ['version']).set({ version }, 1);
  now(registry, standing, { keepOnly: tiers => volumes?.keepOnly(tiers) });
  volumes = createVolumeMetrics(registry);

  const duration = new Histogram({
    ...{ name: 'holdfast_backup_duration_seconds', help: 'How long backups took.', registers },
    ...{ labelNames: ['policy', 'tier'], buckets: jobSeconds },
  });
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
      items.inc({ result: 'captured' }, measure.objects);
      items.inc({ result: 'failed' }, measure.problems);
    },
    operationEnded: ({ kind, phase, seconds, code, dryRun = false }) => {
      ended.inc({ kind, phase });
      if (kind === 'restore' && phase === 'Completed' && !dryRun) restores.observe(seconds);
      if (kind === 'verify' && phase === 'Completed') verified.setToCurrentTime();
      // One that could not look has found nothing.
      if (kind === 'verify' && code === 'VERIFY_FAILED') damaged.inc();
    },
    volumes,
    scheduleMissed: (policy, tier) => missed.inc({ policy, tier }),
    requestAnswered: ({ method, route, status, seconds }) => {
      requests.inc({ method, route, status: String(status) });
      latency.observe({ method, route }, seconds);
    },
  };
}

/** Gauges that are filled at the scrape. */
function now(registry: Registry, standing: () => Standing, volumes: Pick<VolumeMetrics, 'keepOnly'>): void {
  const perPolicy = (name: string, help: string) => gauge(registry, name, help, ['policy']);
  const perTier = (name: string, help: string) => gauge(registry, name, help, ['policy', 'tier']);
  const ofPolicy: KeptGauges = {
    rpo: perPolicy('holdfast_rpo_seconds', 'Age of the newest complete set of a policy as a whole: what would be lost now.'),
    rpoObjective: perPolicy('holdfast_rpo_objective_seconds', 'What may be lost at most.'),
    rto: perPolicy('holdfast_rto_seconds', 'How long the last restore took.'),
    rtoObjective: perPolicy('holdfast_rto_objective_seconds', 'How long a restore may take at most.'),
  };
  const ofTier: KeptGauges = {
    rpo: perTier('holdfast_tier_rpo_seconds', 'Age of the newest complete set of a tier.'),
    rpoObjective: perTier('holdfast_tier_rpo_objective_seconds', 'What of a tier may be lost at most.'),
    rto: perTier('holdfast_tier_rto_seconds', 'How long the last restore of a set of a tier took.'),
    rtoObjective: perTier('holdfast_tier_rto_objective_seconds', 'How long a restore of a set of a tier may take at most.'),
  };
  const gaps = gauge(registry, 'holdfast_not_protected', '1 for each part that a policy asks for and no set has.', ['policy', 'part']);
  const success = perTier('holdfast_backup_last_success_timestamp_seconds', 'When the newest complete set was begun.');
  const objects = perTier('holdfast_backup_objects', 'Objects in the newest complete set of a tier.');
  const bytes = perTier('holdfast_backup_bytes', 'Bytes of JSON of the newest complete set of a tier.');
  const next = perTier('holdfast_schedule_next_timestamp_seconds', 'When a tier is due next.');
  const overdue = perTier('holdfast_schedule_overdue', '1 while a run has no set an hour after its time.');
  const sets = gauge(registry, 'holdfast_sets', 'Sets in the repository.', ['tier', 'phase']);
  const stored = gauge(registry, 'holdfast_store_bytes', 'Bytes that the files of all sets take.', ['tier']);
  const running = gauge(registry, 'holdfast_operations_running', 'Operations under way.', ['kind']);
  const leader = gauge(registry, 'holdfast_leader', '1 in the replica that leads.');
  const reachable = gauge(registry, 'holdfast_store_reachable', '1 while the location answers.');
  const clusterReachable = gauge(registry, 'holdfast_cluster_reachable', '1 while the API server answers.');
  const ledger = gauge(registry, 'holdfast_ledger_entries', 'Entries of the ledger.');
  const kept = [...Object.values<Gauge>(ofPolicy), ...Object.values<Gauge>(ofTier)];
  const all = [...kept, gaps, success, objects, bytes, next, overdue, sets, stored, running];

  const fill = (): void => {
    const at = standing();
    // What is gone from the configuration must not stay as it was last.
    for (const one of all) one.reset();
    for (const { policy, notProtected, ...values } of at.policies) {
      setKept(ofPolicy, { policy }, values);
      for (const part of notProtected) gaps.set({ policy, part }, 1);
    }
    for (const { policy, tier, ...values } of at.tiers) {
      setKept(ofTier, { policy, tier }, values);
      set(success, { policy, tier }, values.newest?.at);
      set(objects, { policy, tier }, values.newest?.objects);
      set(bytes, { policy, tier }, values.newest?.bytes);
      set(next, { policy, tier }, values.nextRun);
      overdue.set({ policy, tier }, values.overdue ? 1 : 0);
    }
    volumes.keepOnly(at.tiers);
    for (const { tier, phase, count, bytes: size } of at.sets) {
      sets.set({ tier, phase }, count);
      stored.inc({ tier }, size);
    }
    for (const kind of operationKinds) running.set({ kind }, at.running[kind] ?? 0);
    leader.set(at.leading ? 1 : 0);
    reachable.set(at.storeReachable ? 1 : 0);
    clusterReachable.set(at.clusterReachable ? 1 : 0);
    ledger.set(at.ledgerEntries);
  };
  // The registry collects in the order of registration: the first one fills all.
  Object.assign(ofPolicy.rpo, { collect: fill });
}

type KeptGauges = Readonly<Record<keyof Kept, Gauge>>;

function setKept(gauges: KeptGauges, labels: Record<string, string>, values: Kept): void {
  set(gauges.rpo, labels, values.rpo);
  set(gauges.rpoObjective, labels, values.rpoObjective);
  set(gauges.rto, labels, values.rto);
  set(gauges.rtoObjective, labels, values.rtoObjective);
}

function set(of: Gauge, labels: Record<string, string>, value: number | undefined): void {
  if (value !== undefined) of.set(labels, value);
}

function gauge(registry: Registry, name: string, help: string, labelNames: readonly string[] = []): Gauge {
  return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
}
