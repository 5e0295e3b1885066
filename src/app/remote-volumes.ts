import type { OpenedSet } from '../app.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { VolumeOutcome } from '../domain/volume-restore.ts';
import type { OrphansFound, RemovedOrphan } from '../domain/volume-upkeep.ts';
import type { Connection } from './remote-connection.ts';
import { errorOf, follow } from './remote-work.ts';
import type { VolumeCommands } from './volume-commands.ts';

interface Remote {
  readonly runtime: Runtime;
  readonly withIdentity: (there: Connection) => Promise<{ readonly identity?: NonNullable<Awaited<ReturnType<Connection['identity']>>> }>;
  readonly idOf: (set: OpenedSet) => string;
}

/** As `createVolumeCommands`, by a running service and in the name of whoever its token belongs to. */
export function remoteVolumes(there: Connection, { runtime, withIdentity, idOf }: Remote): VolumeCommands {
  const { client } = there;
  let age = 0;
  return {
    files: async function* files(set, claim, query, signal) {
      let from = 0;
      for (let isMore = true; isMore; ) {
        const body = { ...claim, ...query, from, ...(await withIdentity(there)) };
        const { items, truncated } = await client.volumes.files({ params: { set: idOf(set) }, body, signal });
        yield* items;
        from += items.length;
        isMore = truncated && items.length > 0;
      }
    },
    restore: async (set, { include, ...request }, run) => {
      const body = { set: idOf(set), ...request, include: [...include], ...(await withIdentity(there)) };
      const ended = await follow(client, await client.volumes.restore({ body, signal: run.signal }), run, runtime);
      const { volume } = (ended.summary ?? {}) as { readonly volume?: VolumeOutcome };
      if (volume === undefined) throw errorOf(ended);
      return volume;
    },
    orphans: async (olderThanMs, signal) => {
      age = olderThanMs;
      const { items, notices } = await client.volumes.orphans({ query: { olderThanMs }, signal });
      return { orphans: items, notices } satisfies OrphansFound;
    },
    removeOrphans: async (_orphans, { signal }) => {
      const { items } = await client.volumes.removeOrphans({ body: { olderThanMs: age }, signal });
      return items as RemovedOrphan[];
    },
    upkeep: () =>
      Promise.reject(
        new HoldfastError('USAGE', 'a service is not asked for the upkeep of volumes: it does it by itself, after every run of retention', {
          hint: 'holdfast retention run with --server does both; without --server, upkeep is done here',
        }),
      ),
  };
}
