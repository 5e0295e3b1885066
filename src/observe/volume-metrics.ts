import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ErrorCode } from '../domain/errors.ts';
import { type MoverAction, type MoverMeasure, moverOutcomes } from '../domain/mover.ts';
import type { VolumeCounts } from '../domain/volume-counts.ts';
import type { UpkeepItem, UpkeepOutcome } from '../domain/volume-upkeep.ts';

/** What was being done when a claim, or its repository, failed. */
export type VolumeDoing = 'backup' | 'restore' | 'upkeep';

/** What is measured of volumes. No label names a claim: there can be any number of them. */
export interface VolumeMetrics {
  /** A run of the tier has brought a set. */
  captured(tier: { readonly policy: string; readonly tier: string }, counts: VolumeCounts): void;
  /** Tiers that are configured: of others nothing is told any more. */
  keepOnly(tiers: readonly { readonly policy: string; readonly tier: string }[]): void;
  failed(doing: VolumeDoing, code: ErrorCode, count: number): void;
  moverBegan(action: MoverAction): void;
  moverEnded(measure: MoverMeasure): void;
  upkeepEnded(outcome: UpkeepOutcome): void;
  orphansFound(count: number): void;
  /** Another replica leads from now on, and knows better. */
  standDown(): void;
}

const moverSeconds = [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600];
const actions: readonly MoverAction[] = ['backup', 'restore', 'forget', 'check', 'bind'];
const claimStates = ['captured', 'not-protected', 'failed'] as const;
const upkeepStates = ['done', 'left', 'failed'] as const satisfies readonly UpkeepItem['state'][];

export function createVolumeMetrics(registry: Registry): VolumeMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[] = []) => new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string, labelNames: string[] = []) => new Counter({ name, help, labelNames, registers });

  const claims = gauge('holdfast_volume_claims', 'Claims of the newest scheduled set of a tier, by what became of them.', [
    'policy',
    'tier',
    'state',
  ]);
  const snapshots = gauge('holdfast_volume_snapshots', 'Claims of the newest scheduled set of a tier with a snapshot that was kept.', [
    'policy',
    'tier',
  ]);
  const bytes = gauge('holdfast_volume_bytes', 'Bytes of volumes that the newest scheduled set of a tier has in the repository.', [
    'policy',
    'tier',
  ]);
  const failures = counter('holdfast_volume_failures_total', 'Claims and their repositories that failed, by code.', ['doing', 'code']);
  const running = gauge('holdfast_volume_movers_running', 'Movers at work.', ['action']);
  const ended = counter('holdfast_volume_movers_total', 'Movers that have ended, by what became of their work.', ['action', 'result']);
  const duration = new Histogram({
    ...{ name: 'holdfast_volume_mover_duration_seconds', help: 'How long movers took, their pods’ start included.', registers },
    ...{ labelNames: ['action'], buckets: moverSeconds },
  });
  const processed = counter('holdfast_volume_processed_bytes_total', 'Bytes of volumes that movers went through.', ['action']);
  const added = counter('holdfast_volume_added_bytes_total', 'Bytes that movers added to repositories, after compression.');
  const upkept = gauge('holdfast_volume_upkeep_repositories', 'Repositories that the last upkeep had work in, by outcome.', ['state']);
  const upkeepAt = gauge('holdfast_volume_upkeep_last_success_timestamp_seconds', 'When upkeep last did all that there was to do.');
  const forgotten = counter('holdfast_volume_forgotten_total', 'Snapshots of restic that upkeep has let go.');
  const orphans = gauge('holdfast_volume_orphans', 'Objects that nobody needs any more, as last looked for.');

  for (const action of actions) {
    running.set({ action }, 0);
    for (const result of moverOutcomes) ended.inc({ action, result }, 0);
  }
  const told = new Map<string, { readonly policy: string; readonly tier: string }>();
  const keyOf = ({ policy, tier }: { readonly policy: string; readonly tier: string }): string => `${policy}/${tier}`;
  const standDown = (): void => {
    told.clear();
    for (const one of [claims, snapshots, bytes, upkept]) one.reset();
    // They would say 1970, and that nothing is left over, before anybody has looked.
    for (const one of [upkeepAt, orphans]) one.remove();
  };
  standDown();

  return {
    standDown,
    keepOnly: tiers => {
      const known = new Set(tiers.map(keyOf));
      for (const [key, { policy, tier }] of told) {
        if (known.has(key)) continue;
        told.delete(key);
        for (const state of claimStates) claims.remove({ policy, tier, state });
        for (const one of [snapshots, bytes]) one.remove({ policy, tier });
      }
    },
    captured: (tier, counts) => {
      told.set(keyOf(tier), tier);
      claims.set({ ...tier, state: 'captured' }, counts.claims - counts.notProtected - counts.failed);
      claims.set({ ...tier, state: 'not-protected' }, counts.notProtected);
      claims.set({ ...tier, state: 'failed' }, counts.failed);
      snapshots.set({ ...tier }, counts.snapshotted);
      bytes.set({ ...tier }, counts.bytes);
    },
    failed: (doing, code, count) => failures.inc({ doing, code }, count),
    moverBegan: action => running.inc({ action }),
    moverEnded: ({ action, result, seconds, bytes: through, addedBytes }) => {
      running.dec({ action });
      ended.inc({ action, result });
      duration.observe({ action }, seconds);
      if (through > 0) processed.inc({ action }, through);
      added.inc(addedBytes);
    },
    upkeepEnded: ({ items, notices }) => {
      for (const state of upkeepStates) upkept.set({ state }, items.filter(item => item.state === state).length);
      for (const item of items) {
        forgotten.inc(item.forgotten);
        if (item.state === 'failed') failures.inc({ doing: 'upkeep', code: item.code ?? 'INTERNAL' });
      }
      if (notices.length === 0 && items.every(({ state }) => state !== 'failed')) upkeepAt.setToCurrentTime();
    },
    orphansFound: count => orphans.set(count),
  };
}
