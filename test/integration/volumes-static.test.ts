import { beforeAll, expect, test } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { fencedCluster } from '../../src/cluster/fenced-cluster.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { at, type JsonObject, stringAt } from '../../src/domain/json.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { planRestore } from '../../src/restore/plan.ts';
import { runRestore } from '../../src/restore/run.ts';
import type { VolumeTools } from '../../src/restore/volumes/tools.ts';
import { claims, namespaces, storageClasses, volumes } from '../../src/volumes/kinds.ts';
import type { Movers } from '../../src/volumes/ports.ts';
import { createClaim, runPod } from '../cluster/pods.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeCaptures } from '../helpers/captures.ts';
import { reader } from '../helpers/journey.ts';
import { compareWith, failures } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, nameOf, never } from '../helpers/volumes.ts';

const selection = { ...everything, includeNamespaces: ['static'] };
const write =
  'cd /data && mkdir -p a/b && head -c 2000000 /dev/urandom > a/blob && echo x > a/b/c && chown 1000:1000 a/b/c && chmod 640 a/b/c && chmod 770 . && sync';
const hash = 'cd /data && find . -type f | sort | xargs sha256sum && find . | sort | xargs stat -c "%n %u:%g %a %F"';

/** Of a folder of the node: no CSI driver, nothing that provisions them. */
describeCaptures('volumes that somebody made by hand', ({ cluster, world }) => {
  let set: SetReader;
  let before: string;

  const makeVolume = (name: string, spec: JsonObject = {}) =>
    world().objects.create(
      volumes,
      {
        metadata: { name },
        spec: {
          ...{ capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: 'disks' },
          ...{ persistentVolumeReclaimPolicy: 'Retain', hostPath: { path: `${cluster().node.dir}/${name}`, type: 'DirectoryOrCreate' } },
          ...spec,
        },
      },
      never,
    );
  const inPod = async (namespace: string, command: string): Promise<string> => {
    const { exitCode, log } = await runPod(cluster(), { namespace, name: 'shell', command, claims: { '/data': 'workspace' } });
    expect(exitCode, log).toBe(0);
    return log;
  };
  const tools = (movers?: Movers): VolumeTools => {
    const own = world().tools();
    return { ...own, identities: [world().location.identity], ...(movers !== undefined && { movers }) };
  };
  interface Attempt {
    readonly mapping?: Readonly<Record<string, string>>;
    readonly movers?: Movers;
    readonly through?: ClusterApi;
    readonly signal?: AbortSignal;
  }
  const input = (target: string, { mapping = {}, movers, through = world().api, signal }: Attempt = {}) => ({
    ...{ reader: set, cluster: through, runtime: testRuntime, progress: noProgress, volumes: tools(movers) },
    signal: signal ?? AbortSignal.timeout(240_000),
    options: { selection, namespaceMapping: { static: target }, existing: 'skip', storageClasses: mapping } as const,
  });
  const volumeOf = async (namespace: string): Promise<JsonObject> => {
    const claim = await world().objects.read(claims, namespace, 'workspace', never);
    return (await world().objects.read(volumes, '', stringAt(claim, 'spec', 'volumeName') ?? '', never)) ?? {};
  };
  /** Names of ours on an object. */
  const traces = (object: JsonObject) =>
    ['labels', 'annotations'].flatMap(map => Object.keys(at(object, 'metadata', map) ?? {})).filter(name => name.includes('holdfast.dev/'));

  beforeAll(async () => {
    const { objects, location } = world();
    const provisioner = 'kubernetes.io/no-provisioner';
    await objects.create(storageClasses, { metadata: { name: 'disks' }, provisioner, volumeBindingMode: 'WaitForFirstConsumer' }, never);
    await makeNamespace(objects, 'static');
    await makeVolume('static-a');
    await createClaim(cluster(), { namespace: 'static', name: 'workspace', size: '64Mi', storageClass: 'disks' });
    await inPod('static', write);
    before = await inPod('static', hash);
    const outcome = await world().backUp('static', { snapshots: true, data: true });
    if (outcome.phase === 'Failed') throw new Error(outcome.error.message);
    set = await reader(location, outcome.manifest.id);
  }, 400_000);

  test('are read without a snapshot, and the record says why', () => {
    expect(set.manifest.volumes).toMatchObject([
      {
        ...{ namespace: 'static', claim: 'workspace', state: 'captured', storageClass: 'disks' },
        reason: 'read while in use, without a snapshot: its volume static-a is of no CSI driver',
        data: { source: 'live', repository: 'volumes/static/workspace/' },
      },
    ]);
    expect(set.manifest.volumes[0]?.snapshot).toBeUndefined();
  });

  test('are no reason to end Completed and empty: where none is free the claim is not made, and its data can go to another class', async () => {
    const planned = await planRestore(input('none'));
    const reason =
      /^nothing makes volumes of class disks, and none that is there fits and is free: .*--storage-class-mapping disks=<class>$/;
    expect(planned.volumes).toMatchObject([{ claim: 'workspace', action: 'fail', reason: expect.stringMatching(reason) }]);
    const refused = await runRestore(input('none'));
    expect(refused.phase).toBe('PartiallyFailed');
    expect(refused.volumes).toMatchObject([{ state: 'failed', problem: { code: 'VOLUME_UNSUPPORTED' } }]);
    expect(await world().objects.read(claims, 'none', 'workspace', never)).toBeUndefined();

    const mapped = await runRestore(input('none', { mapping: { disks: 'holdfast-test' } }));
    expect(mapped.problems).toEqual([]);
    expect(mapped.volumes).toMatchObject([{ state: 'filled', source: 'repository' }]);
    expect(await inPod('none', hash)).toBe(before);
  });

  test('are filled where they are empty, and belong to their claim alone then', async () => {
    await makeVolume('static-b');
    const planned = await planRestore(input('copy'));
    expect(planned.volumes).toMatchObject([{ action: 'fill', source: 'repository', volume: 'static-b' }]);
    const outcome = await runRestore(input('copy'));
    expect(outcome.problems).toEqual([]);
    expect(outcome).toMatchObject({ phase: 'Completed', volumes: [{ state: 'filled', source: 'repository', reason: '' }] });
    expect(await inPod('copy', hash)).toBe(before);
    const volume = await volumeOf('copy');
    expect(nameOf(volume)).toBe('static-b');
    expect(at(volume, 'spec', 'persistentVolumeReclaimPolicy')).toBe('Retain');
    expect(traces(volume)).toEqual([]);
    expect(failures(await compareWith(set, world().api, { namespaceMapping: { static: 'copy' }, selection }))).toEqual([]);
  });

  test('keep the files that they have, and the outcome says so', async () => {
    const { objects } = world();
    await inPod('static', 'echo newer > /data/a/b/c; rm /data/a/blob');
    const changed = await inPod('static', hash);
    await objects.remove(namespaces, '', 'static', never);
    const gone = async () => (await objects.read(namespaces, '', 'static', never)) === undefined;
    await waitFor('the namespace is gone', gone, { timeoutMs: 90_000, intervalMs: 300 });
    const outcome = await runRestore(input('static'));
    expect(outcome.problems).toEqual([]);
    const reason = 'the volume static-a has files already, and keeps them: holdfast volumes restore --in-place overwrites them';
    expect(outcome.volumes).toMatchObject([{ state: 'kept', reason, files: 0 }]);
    expect(nameOf(await volumeOf('static'))).toBe('static-a');
    expect(await inPod('static', hash)).toBe(changed);
  });

  test('are given back as they were when they cannot be filled, and lost at no moment when a restore is killed', async () => {
    const { api, objects } = world();
    let moves = 0;
    const movers = (failing: boolean): Movers => ({
      run: async (task, { signal }) => {
        const request = task.request({ url: 's3:http://store/bucket', options: [], accessKeyId: '', secretAccessKey: '' });
        expect(request).toMatchObject({ action: 'restore', onlyEmpty: true });
        const place = task.claim?.name ?? '';
        const bound = async () => stringAt(await objects.read(claims, task.namespace, place, signal), 'status', 'phase') === 'Bound';
        await waitFor(`${place} is bound`, bound, { timeoutMs: 60_000, signal });
        if (failing) throw new HoldfastError('VOLUME_DATA_DAMAGED', 'pack 1234 is damaged');
        moves += 1;
        return { ok: true, action: 'restore', durationMs: 1, files: 3, bytes: 2_048 };
      },
    });
    const reserved = (namespace: string) => ({
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: 'workspace' },
      persistentVolumeReclaimPolicy: 'Delete',
    });
    await makeVolume('damaged', reserved('damaged'));
    const damaged = await runRestore(input('damaged', { movers: movers(true) }));
    expect(damaged.volumes).toMatchObject([{ state: 'failed', problem: { code: 'VOLUME_DATA_DAMAGED' } }]);
    const left = (await objects.read(volumes, '', 'damaged', never)) ?? {};
    expect(left['spec']).toMatchObject(reserved('damaged'));
    expect(at(left, 'spec', 'claimRef', 'uid')).toBeUndefined();
    expect(traces(left)).toEqual([]);

    let ended = false;
    for (let writes = 1; !ended; writes++) {
      const target = `killed-${writes}`;
      moves = 0;
      await makeVolume(target, reserved(target));
      const dying = new AbortController();
      let before = writes;
      const check = () => {
        if (before-- > 0) return;
        dying.abort(new HoldfastError('INTERRUPTED', 'killed'));
        throw new HoldfastError('INTERRUPTED', 'killed');
      };
      const killed = { movers: movers(false), through: fencedCluster(api, { check }), signal: dying.signal };
      ended = await runRestore(input(target, killed)).then(
        () => true,
        thrown => {
          expect(thrown).toMatchObject({ code: 'INTERRUPTED' });
          return false;
        },
      );
      const outcome = await runRestore(input(target, { movers: movers(false) }));
      expect(outcome.problems, target).toEqual([]);
      const volume = await volumeOf(target);
      expect(nameOf(volume)).toBe(target);
      expect(at(volume, 'spec', 'persistentVolumeReclaimPolicy'), target).toBe('Delete');
      expect(traces(volume), target).toEqual([]);
      expect(moves, `moves of ${target}`).toBeLessThanOrEqual(2);
      expect(writes, 'a restore of one claim has few writes').toBeLessThan(14);
    }
  });
});
