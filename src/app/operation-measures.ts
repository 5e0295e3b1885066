import type { ErrorCode } from '../domain/errors.ts';
import type { Operation, OperationRequest, OperationResult } from '../domain/operation.ts';
import { type Fire, type Policy, tierLabel } from '../domain/policy.ts';
import type { VolumeOutcome } from '../domain/volume-restore.ts';
import type { UpkeepOutcome } from '../domain/volume-upkeep.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { VolumeMetrics } from '../observe/volume-metrics.ts';
import type { BackupVolumes } from '../service/backup-jobs.ts';

/** How long an operation that has ended was at work. */
export function secondsOf({ startedAt, result }: Operation): number {
  return result === undefined || startedAt === undefined ? 0 : (Date.parse(result.finishedAt) - Date.parse(startedAt)) / 1000;
}

/** Measures an operation that has ended. */
export function measureOperation(operation: Operation, metrics: Metrics, policies: readonly Policy[]): void {
  const { request, phase, result } = operation;
  const { kind, parameters } = request;
  const seconds = secondsOf(operation);
  const code = result?.error?.code;
  metrics.operationEnded({ kind, phase, seconds, ...(code !== undefined && { code }), dryRun: parameters['dryRun'] === true });
  if (result !== undefined) measureVolumes(request, result, metrics.volumes);
  if (kind !== 'backup') return;
  const count = (name: string): number => Number(result?.summary[name] ?? 0);
  const { policy = '', tier = '' } = parameters as { policy?: string; tier?: string };
  const labels = { policy, tier: tierLabel(policies, tier) };
  metrics.backupEnded({ ...labels, phase, seconds, objects: count('objects'), problems: count('problems') });
}

/** By the summaries that the jobs of the service give. */
function measureVolumes({ kind, parameters }: OperationRequest, { summary, error }: OperationResult, metrics: VolumeMetrics): void {
  const { volumes, upkeep } = summary;
  if (kind === 'backup' && volumes !== undefined) {
    const { fires = [] } = parameters as { fires?: readonly Fire[] };
    const { failures, ...counts } = volumes as BackupVolumes;
    // What somebody asked for says nothing of a tier, whatever it was called: it may hold a namespace of it.
    for (const { policy, tier } of fires) metrics.captured({ policy, tier }, counts);
    for (const [code, count] of Object.entries(failures)) metrics.failed('backup', code as ErrorCode, count);
  }
  if (kind === 'restore' && Array.isArray(volumes)) {
    for (const { problem } of volumes as VolumeOutcome[]) if (problem !== undefined) metrics.failed('restore', problem.code, 1);
  }
  if (kind === 'restore' && 'volume' in parameters && error !== undefined) metrics.failed('restore', error.code, 1);
  if (kind === 'retention' && upkeep !== undefined) metrics.upkeepEnded(upkeep as UpkeepOutcome);
}
