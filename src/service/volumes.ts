import type { FilesRequest, Volumes } from '../api/service.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { aroundClaim } from '../domain/claim-request.ts';
import { filesOf as filesInSet } from '../domain/volume.ts';
import type { VolumeFile } from '../domain/volume-file.ts';
import { requireManifest } from '../repository/read-manifest.ts';
import { volumeFiles } from '../volumes/files.ts';
import { findOrphans, orphanAgeMs, removalFact, removeOrphans } from '../volumes/orphans.ts';
import { createBoundedQueue } from './bounded-queue.ts';
import { withIdentities } from './identities.ts';
import { createListings, type Listings } from './listings.ts';
import { findSet } from './restore-jobs.ts';
import { currentTerm, record, volumesIn, type World } from './world.ts';

/** Each is a restic of its own in this pod, beside the leader: 60 MiB and more. */
const readersAtOnce = 2;
const mostWaiting = 20;
/** How long a listing waits for whoever reads it to ask for its next page, milliseconds. */
const keepMs = 60_000;

export function volumesOf(world: World): Volumes {
  const readers = createBoundedQueue(readersAtOnce, mostWaiting);
  const listings = createListings<VolumeFile>({ atOnce: readersAtOnce, keepMs, runtime: world.runtime });
  const found = async (olderThanMs: number, signal: AbortSignal) => {
    const { objects, installation, lease } = volumesIn(world);
    const { repository, keys, runtime } = world;
    return findOrphans({ objects, installation, lease, repository, trusted: keys.trusted, now: runtime.now(), olderThanMs, signal });
  };
  return {
    files: (request, signal) => readers.run(() => filesOf(world, listings, request, signal), signal),
    orphans: found,
    removeOrphans: async (olderThanMs, { actor }, signal) => {
      const { objects, frozen, scaled, settings } = volumesIn(currentTerm(world));
      const { orphans, notices } = await found(olderThanMs, signal);
      const removed = await removeOrphans(orphans, { objects, frozen, scaled, namespace: settings.namespace, signal });
      const fact = removalFact(removed);
      if (fact !== undefined) await record(world, { ...fact, actor });
      // What is older than that may be all that there is, or less.
      if (olderThanMs <= orphanAgeMs) world.volumeMetrics?.orphansFound(removed.filter(one => !one.removed).length);
      return { removed, notices };
    },
  };
}

async function filesOf(
  world: World,
  listings: Listings<VolumeFile>,
  request: FilesRequest,
  signal: AbortSignal,
): Promise<readonly VolumeFile[]> {
  const { repository, keys } = world;
  const { cluster, within } = request;
  const id = await findSet(world, request.set, { cluster, wanted: aroundClaim(request.claim), within, signal });
  const { manifest } = await requireManifest(repository, id, { trusted: keys.trusted, signal });
  const { repository: key, snapshot } = filesInSet(manifest, request.claim);
  const { repositories, readFrom, program } = volumesIn(world);
  const { password } = await withIdentities(world, request.identity, signal, identities => repositories.open(key, { identities, signal }));
  const { path, recursive, from, most } = request;
  // Whoever asks for the next page has shown that the password is theirs too.
  const of = sha256Hex(JSON.stringify([key, snapshot, path, recursive, password]));
  return listings.page({ of, from, most, signal }, async function* (life) {
    const access = await readFrom(key, life);
    yield* volumeFiles({ ...program, access, password, snapshot, path, recursive, signal: life });
  });
}
