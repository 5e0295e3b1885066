import { expect, it } from 'vitest';
import { liveVolumes } from './live-volumes.ts';
import type { Volumes, VolumesFactory } from './volumes.ts';

const closed: string[] = [];
const factory = (installation: string): VolumesFactory => ({
  on: () => ({ installation }) as Volumes,
  close: async () => void closed.push(installation),
});
const places = {} as Parameters<VolumesFactory['on']>[0];

it('volumes are the same until their settings change, stay with who was given them, and are closed together', async () => {
  const volumes = liveVolumes(factory('before'));
  const [here, there] = [volumes.on(places), volumes.on(places)];
  const begun = here();
  expect(here()).toBe(begun);
  expect(there()).not.toBe(begun);
  volumes.replace(factory('after'));
  expect([here().installation, there().installation, begun.installation]).toEqual(['after', 'after', 'before']);
  expect(here()).toBe(here());
  await volumes.close();
  expect(closed.toSorted()).toEqual(['after', 'before']);
});
