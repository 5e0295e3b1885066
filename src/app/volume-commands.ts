import type { OpenedSet, Run } from '../app.ts';
import type { ClaimPlace, ClaimRequest } from '../domain/claim-request.ts';
import type { VolumeFile } from '../domain/volume-file.ts';
import type { VolumeOutcome } from '../domain/volume-restore.ts';
import type { Orphan, OrphansFound, RemovedOrphan, UpkeepOutcome } from '../domain/volume-upkeep.ts';

export interface FilesQuery {
  /** A folder of the volume; `/` is its root. */
  readonly path: string;
  /** Everything below it too. */
  readonly recursive: boolean;
}

/** What a person does about the data of volumes. */
export interface VolumeCommands {
  /** Streamed, in restic's order. VOLUME_DATA_MISSING, IDENTITY_ and STORE_ codes. */
  files(set: OpenedSet, claim: ClaimPlace, query: FilesQuery, signal: AbortSignal): AsyncIterable<VolumeFile>;
  restore(set: OpenedSet, request: ClaimRequest, run: Run): Promise<VolumeOutcome>;
  orphans(olderThanMs: number, signal: AbortSignal): Promise<OrphansFound>;
  removeOrphans(orphans: readonly Orphan[], run: Run): Promise<readonly RemovedOrphan[]>;
  upkeep(run: Run): Promise<UpkeepOutcome>;
}
