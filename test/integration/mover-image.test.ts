import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, type JsonObject, stringAt } from '../../src/domain/json.ts';
import { jobs, pods } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { ownImage } from '../../src/volumes/own-image.ts';
import type { MoverTask } from '../../src/volumes/ports.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, moverPod, moversOn, never, testMover, testVolumeSettings } from '../helpers/volumes.ts';

const task: MoverTask = {
  ...{ work: 'restore-1', role: 'restore', subject: { namespace: 'agents', claim: 'workspace' }, namespace: 'holdfast' },
  claim: { name: 'temporary', mode: 'Filesystem', readOnly: false },
  request: () => ({ action: 'bind' }),
};
const { image: _, ...unnamed } = testMover;

/** The control plane is real and has no node: no pod of it ever begins. */
describe('the image of movers', () => {
  const cluster = withCluster();
  let [api, objects]: [ClusterApi, Objects] = [] as never;

  beforeAll(async () => {
    api = await connectTo(cluster());
    objects = createObjects(api, testRuntime);
    await makeNamespace(objects, 'holdfast');
    const containers = ['proxy', 'holdfast'].map(name => ({ name, image: `registry.example.org/${name}:7` }));
    const [first] = containers;
    const make = (name: string, spec: object) => objects.create(pods, { metadata: { name, namespace: 'holdfast' }, spec }, never);
    // Refused until the namespace has its service account.
    await waitFor('a pod is taken', () => make('service-1', { containers }), { timeoutMs: 60_000 });
    await make('alone', { containers: [{ ...first, name: 'main' }] });
  });
  afterAll(() => api?.close());

  const imageOf = (name: string) => ownImage(objects, { namespace: 'holdfast', name })(never);

  it('is that of the service’s own pod, where none is named', async () => {
    const own = ownImage(objects, { namespace: 'holdfast', name: 'service-1' });
    const { movers } = moversOn(api, { settings: { ...testVolumeSettings, mover: unnamed }, ownImage: own });
    const stop = new AbortController();
    const result = movers.run(task, { signal: stop.signal, progress: () => {} }).catch((thrown: unknown) => thrown);
    const [container] = at(await moverPod(objects), 'spec', 'containers') as JsonObject[];
    stop.abort(new Error('enough'));
    await result;
    expect(stringAt(container, 'image')).toBe('registry.example.org/holdfast:7');
    expect(await imageOf('alone')).toBe('registry.example.org/proxy:7');
  });

  it('is looked up once, since a pod keeps its image', async () => {
    let reads = 0;
    const counting: Objects = {
      ...objects,
      read: (...args) => {
        reads += 1;
        return objects.read(...args);
      },
    };
    const image = ownImage(counting, { namespace: 'holdfast', name: 'service-1' });
    expect([await image(never), await image(never)]).toEqual(Array(2).fill('registry.example.org/holdfast:7'));
    expect(reads).toBe(1);
  });

  it('has to be named outside of pods, and no mover is made without one', async () => {
    const where = 'volumes.mover.image is not set, and';
    await expect(ownImage(objects, undefined)(never)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${where} this process runs in no pod whose image movers could have`,
    });
    await expect(imageOf('gone')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${where} pods holdfast/gone, whose image movers would have, is not there`,
    });
    const { movers } = moversOn(api, { settings: { ...testVolumeSettings, mover: unnamed }, ownImage: ownImage(objects, undefined) });
    await expect(movers.run(task, { signal: never, progress: () => {} })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await objects.list(jobs, { namespace: 'holdfast', labelSelector: 'holdfast.dev/work' }, never)).toEqual([]);
  });
});
