import type { OpenedSet, Run } from '../app.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { ClaimPlace } from '../domain/claim-request.ts';
import type { Runtime } from '../domain/runtime.ts';
import { filesOf } from '../domain/volume.ts';
import type { VolumeFile } from '../domain/volume-file.ts';
import type { Repository } from '../repository/repository.ts';
import type { SetReader } from '../repository/set-reader.ts';
import type { Keys } from './keys.ts';
import { tellLedger } from './ledger.ts';
import type { FilesQuery, VolumeCommands } from './volume-commands.ts';
import type { Volumes } from './volumes.ts';

export interface VolumeWorkParts {
  readonly keys: Keys;
  readonly repository: Repository;
  readonly runtime: Runtime;
  readonly onWarning: (text: string) => void;
  cluster(): Promise<ClusterApi>;
  volumes(): Promise<Volumes>;
}

/** By this process, with the configured location and cluster. */
export function createVolumeCommands(parts: VolumeWorkParts): VolumeCommands {
  const { keys, repository, runtime } = parts;
  return {
    files: (set, claim, query, signal) => files(parts, set, claim, query, signal),
    restore: async (set, request, run) => {
      const [cluster, open] = [await parts.cluster(), await parts.volumes()];
      const { restoreClaim } = await import('../restore/volumes/restore-claim.ts');
      const tools = { ...open, identities: await keys.identities() };
      const { id } = set.manifest;
      const storageClasses = { ...open.settings.storageClasses, ...request.storageClasses };
      const volume = { from: request.from, to: request.to ?? request.from, inPlace: request.inPlace };
      await tellLedger(parts, () => [{ action: 'restore.started', subject: id, details: { volume } }]);
      let phase = 'Failed';
      try {
        // As `openSet` of the same app made it.
        const reader = set as SetReader;
        const outcome = await restoreClaim({ ...run, reader, cluster, tools, request: { ...request, storageClasses }, runtime });
        phase = 'Completed';
        return outcome;
      } finally {
        await tellLedger(parts, () => [{ action: 'restore.ended', subject: id, details: { volume, phase } }]);
      }
    },
    orphans: async (olderThanMs, signal) => {
      const { objects, installation, lease } = await parts.volumes();
      const { findOrphans } = await import('../volumes/orphans.ts');
      return findOrphans({
        objects,
        installation,
        lease,
        repository,
        trusted: await keys.trusted(),
        now: runtime.now(),
        olderThanMs,
        signal,
      });
    },
    removeOrphans: async (orphans, { signal }) => {
      const { objects, frozen, scaled, settings } = await parts.volumes();
      const { removalFact, removeOrphans } = await import('../volumes/orphans.ts');
      const removed = await removeOrphans(orphans, { objects, frozen, scaled, namespace: settings.namespace, signal });
      const fact = removalFact(removed);
      await tellLedger(parts, () => (fact === undefined ? [] : [fact]));
      return removed;
    },
    upkeep: async (run: Run) => {
      const open = await parts.volumes();
      const { runUpkeep } = await import('../volumes/upkeep.ts');
      const [trusted, identities] = [await keys.trusted(), await keys.identities()];
      const outcome = await runUpkeep({ ...run, ...open, repository, trusted, runtime, identities });
      const { items, repositories, notices } = outcome;
      const details = { repositories, items, notices };
      await tellLedger(parts, () => (items.length === 0 ? [] : [{ action: 'volumes.upkeep', subject: 'volumes', details }]));
      return outcome;
    },
  };
}

async function* files(
  { keys, volumes }: VolumeWorkParts,
  set: OpenedSet,
  claim: ClaimPlace,
  query: FilesQuery,
  signal: AbortSignal,
): AsyncGenerator<VolumeFile> {
  const { repository: key, snapshot } = filesOf(set.manifest, claim);
  const { repositories, readFrom, program } = await volumes();
  const { password } = await repositories.open(key, { identities: await keys.identities(), signal });
  const { volumeFiles } = await import('../volumes/files.ts');
  yield* volumeFiles({ ...program, ...query, access: await readFrom(key, signal), password, snapshot, signal });
}
