import type { Manifest } from './backup-set.ts';
import { countVolumes, type VolumeCounts } from './volume-counts.ts';

/** What the ledger is told of a set besides its tier, by whomever: where it has claims, those too. */
export interface BackupCounts {
  readonly fires: NonNullable<Manifest['fires']>;
  readonly objects: number;
  readonly bytes: number;
  readonly problems: number;
  readonly volumes?: VolumeCounts;
}

export function countBackup({ fires = [], objects, bytes, problems, volumes }: Manifest): BackupCounts {
  return { fires, objects, bytes, problems: problems.length, ...(volumes.length > 0 && { volumes: countVolumes(volumes) }) };
}
