import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { TermVolumes } from '../service/world.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { VolumesFactory } from './volumes.ts';

/** Volumes by the settings of the moment: whoever asks gets those in force, and goes on with what it was given. */
export interface LiveVolumes {
  /** Asked every time. What is made in one place stays the same until the settings change: it counts its movers together. */
  on(places: { readonly cluster: ClusterApi; readonly store: ObjectStore; readonly repositoryId: string }): () => TermVolumes;
  replace(factory: VolumesFactory): void;
  /** Also of what was replaced: work that began with it may have gone on with it. */
  close(): Promise<void>;
}

export function liveVolumes(first: VolumesFactory): LiveVolumes {
  const all = [first];
  let inForce = first;
  return {
    on: places => {
      let made: { readonly by: VolumesFactory; readonly volumes: TermVolumes } | undefined;
      return () => {
        if (made?.by !== inForce) made = { by: inForce, volumes: inForce.on(places) };
        return made.volumes;
      };
    },
    replace: factory => {
      all.push(factory);
      inForce = factory;
    },
    close: async () => {
      await Promise.allSettled(all.map(factory => factory.close()));
    },
  };
}
