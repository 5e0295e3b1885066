import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { fencedCluster } from '../../src/cluster/fenced-cluster.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { at, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import type { RestoreOptions, RestoreOutcome } from '../../src/domain/restore-plan.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import { defaultTuning, type VolumeSettings } from '../../src/domain/volume-settings.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { planRestore } from '../../src/restore/plan.ts';
import { runRestore } from '../../src/restore/run.ts';
import type { VolumeTools } from '../../src/restore/volumes/tools.ts';
import type { MoverTask } from '../../src/volumes/ports.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { claims, listOf, makeClass, type Provisioner, startProvisioner, volumes } from '../helpers/provisioner.ts';
import { changed, compareWith, failures, getObject, kindOf, settledRevisions } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { intoNewClaims } from '../helpers/volumes.ts';

const namespaces = kindOf('namespaces/v1 Namespace', false);
const configMaps = kindOf('configmaps/v1 ConfigMap');
const definitions = kindOf('customresourcedefinitions.apiextensions.k8s.io/v1 CustomResourceDefinition', false);
const snapshots = kindOf('volumesnapshots.snapshot.storage.k8s.io/v1 VolumeSnapshot');
const contents = kindOf('volumesnapshotcontents.snapshot.storage.k8s.io/v1 VolumeSnapshotContent', false);

const selection = { ...everything, includeNamespaces: ['lab'] };
const home = 'holdfast-system';
const settings: VolumeSettings = {
  ...{ namespace: home, tuning: defaultTuning, parallel: 2, parallelPerNode: 2, parallelSnapshots: 4, snapshotTimeoutMs: 60_000 },
  ...{ snapshotClasses: {}, keepSnapshots: 1, storageClasses: {}, liveFallback: true, hookTimeoutMs: 1_000 },
  mover: { image: 'example/holdfast:1', imagePullPolicy: 'Never', resources: {}, nodeSelector: {}, timeoutMs: 60_000 },
};

/** Names of ours on an object. */
function traces(object: JsonObject): string[] {
  const maps = ['labels', 'annotations'].map(map => at(object, 'metadata', map) ?? {});
  return maps.flatMap(map => Object.keys(map)).filter(name => name.includes('holdfast.dev/'));
}

/** Which claims the set has data of; no node runs here, so that movers only tell what they were asked to do. */
describe('volumes of a restore, bound by the real volume controller', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let set: SetReader;
  let provisioner: Provisioner;
  let moves: { readonly task: MoverTask; readonly action: string }[] = [];

  beforeAll(async () => {
    cluster = await startCluster({ name: 'volumes-restore', unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
    provisioner = startProvisioner(api);
    for (const name of ['lab', home]) await api.create(namespaces, '', JSON.stringify({ metadata: { name } }));
    await makeClass(api, 'fast', 'Immediate');
    await makeClass(api, 'late', 'WaitForFirstConsumer');
    await makeClass(api, 'kept', 'Immediate');
    for (const name of ['workspace', 'cache']) await makeClaim('lab', name);
    await api.create(configMaps, 'lab', JSON.stringify({ metadata: { name: 'settings' }, data: { a: 'b' } }));
    const bound = async () => (await listOf(api, claims, 'lab')).every(claim => stringAt(claim, 'status', 'phase') === 'Bound');
    await waitFor('the claims are bound', bound, { timeoutMs: 60_000 });
    set = await reader(location, await completeBackup(location, api, selection));
  });
  afterAll(async () => {
    await provisioner?.stop();
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  function makeClaim(namespace: string, name: string): Promise<string> {
    const spec = { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources: { requests: { storage: '64Mi' } } };
    return api.create(claims, namespace, JSON.stringify({ metadata: { name, labels: { app: 'lab' } }, spec }));
  }

  const moved = (claim: string): VolumeRecord => ({
    ...{ namespace: 'lab', claim, state: 'captured', reason: '', storageClass: 'fast', volumeMode: 'Filesystem', sizeBytes: 80 * 2 ** 20 },
    data: {
      ...{ repository: `volumes/lab/${claim}/`, snapshot: 'a'.repeat(64), source: 'snapshot' },
      ...{ files: 3, bytes: 2_048, addedBytes: 100, durationMs: 5 },
    },
  });

  /** The set as it would be had volumes been captured. */
  function withVolumes(records: readonly VolumeRecord[]): SetReader {
    return {
      manifest: { ...set.manifest, volumes: records },
      signature: set.signature,
      entries: options => set.entries(options),
      read: (wanted, onObject, options) => set.read(wanted, onObject, options),
    };
  }

  function tools(failing: ReadonlySet<string> = new Set()): VolumeTools {
    return {
      ...{ settings, identities: [] },
      ...intoNewClaims,
      movers: {
        run: async (task, { signal }) => {
          const request = task.request({ url: 's3:http://store/bucket', options: [], accessKeyId: '', secretAccessKey: '' });
          const place = task.claim?.name ?? '';
          const claim = await getObject(api, claims, task.namespace, place);
          if (claim === undefined) throw new Error(`there is no claim ${place} to mount`);
          if (at(claim, 'spec', 'storageClassName') === 'late') await selectNode(task.namespace, place);
          const bound = async () => stringAt((await getObject(api, claims, task.namespace, place)) ?? {}, 'status', 'phase') === 'Bound';
          await waitFor(`${place} is bound`, bound, { timeoutMs: 60_000, signal });
          if (failing.has(task.subject.claim)) throw new HoldfastError('VOLUME_DATA_DAMAGED', 'pack 1234 is damaged');
          moves.push({ task, action: request.action });
          return { ok: true, action: request.action, durationMs: 1, ...(request.action === 'restore' && { files: 3, bytes: 2_048 }) };
        },
      },
    };
  }

  /** As the scheduler does for the first pod that mounts the claim. */
  async function selectNode(namespace: string, name: string): Promise<void> {
    const body = JSON.stringify({ metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'node-1' } } });
    await api.patch(claims, namespace, name, { type: 'merge', body });
  }

  interface Attempt {
    readonly records: readonly VolumeRecord[];
    readonly target: string;
    readonly options?: Partial<RestoreOptions>;
    readonly through?: ClusterApi;
    readonly signal?: AbortSignal;
    readonly failing?: ReadonlySet<string>;
    readonly volumes?: VolumeTools | undefined;
  }

  const input = ({ records, target, options = {}, through = api, signal, failing, ...rest }: Attempt) => ({
    ...{ reader: withVolumes(records), cluster: through, runtime: testRuntime, progress: noProgress },
    options: { selection, namespaceMapping: { lab: target }, existing: 'skip', waitMs: 60_000, ...options } satisfies RestoreOptions,
    signal: signal ?? AbortSignal.timeout(150_000),
    ...(!('volumes' in rest) && { volumes: tools(failing) }),
  });
  const restore = (attempt: Attempt): Promise<RestoreOutcome> => runRestore(input(attempt));

  const both = [moved('workspace'), moved('cache')];
  const inNamespace = (target: string) => ({ namespaceMapping: { lab: target }, selection });
  const volumeOf = async (target: string, name: string): Promise<JsonObject> => {
    const claim = await getObject(api, claims, target, name);
    const volume = await getObject(api, volumes, '', stringAt(claim ?? {}, 'spec', 'volumeName') ?? '');
    return volume ?? {};
  };

  it('fills claims before they appear, binds each to its own volume, and leaves no trace', async () => {
    moves = [];
    const before = provisioner.made();
    const planned = await planRestore(input({ records: both, target: 'one' }));
    expect(planned.volumes).toMatchObject([
      { namespace: 'one', claim: 'cache', action: 'fill', source: 'repository', bytes: 2_048 },
      { namespace: 'one', claim: 'workspace', action: 'fill', source: 'repository', bytes: 2_048 },
    ]);
    expect(await listOf(api, claims, home), 'a plan makes nothing').toEqual([]);

    const outcome = await restore({ records: both, target: 'one' });
    expect(outcome.problems).toEqual([]);
    expect(outcome.phase).toBe('Completed');
    expect(outcome.volumes).toMatchObject([
      { claim: 'cache', state: 'filled', source: 'repository', files: 3, bytes: 2_048 },
      { claim: 'workspace', state: 'filled', source: 'repository', files: 3, bytes: 2_048 },
    ]);
    expect(moves.map(({ task, action }) => `${action} ${task.namespace} ${task.subject.claim}`).sort()).toEqual([
      `restore ${home} cache`,
      `restore ${home} workspace`,
    ]);
    expect(provisioner.made() - before, 'one volume a claim').toBe(2);
    for (const name of ['workspace', 'cache']) {
      const volume = await volumeOf('one', name);
      expect(stringAt(volume, 'status', 'phase')).toBe('Bound');
      expect(at(volume, 'spec')).toMatchObject({ persistentVolumeReclaimPolicy: 'Delete', capacity: { storage: String(80 * 2 ** 20) } });
      expect(traces(volume)).toEqual([]);
    }
    expect(await listOf(api, claims, home)).toEqual([]);
    expect(failures(await compareWith(set, api, inNamespace('one')))).toEqual([]);
  });

  it('writes nothing when it is run again', async () => {
    await restore({ records: both, target: 'again' });
    const before = await settledRevisions(api);
    const outcome = await restore({ records: both, target: 'again' });
    expect(outcome.writes).toBe(0);
    expect(outcome.volumes).toMatchObject([{ state: 'kept' }, { state: 'kept' }]);
    expect(outcome.volumes[0]?.reason).toMatch(/there already/);
    expect(changed(before, await settledRevisions(api))).toEqual([]);
  });

  it('completes what was killed after any write, and fills nothing twice that was full', async () => {
    const records = [moved('workspace')];
    const only = { ...selection, includeKinds: ['persistentvolumeclaims'], includeNames: ['workspace'] };
    let ended = false;
    for (let writes = 1; !ended; writes++) {
      const target = `killed-${writes}`;
      moves = [];
      const before = provisioner.made();
      const dying = new AbortController();
      let left = writes;
      const fence = {
        check: () => {
          if (left-- > 0) return;
          dying.abort(new HoldfastError('INTERRUPTED', 'killed'));
          throw new HoldfastError('INTERRUPTED', 'killed');
        },
      };
      const options = { selection: only };
      const attempt = { records, target, options, through: fencedCluster(api, fence), signal: dying.signal };
      ended = await restore(attempt).then(
        () => true,
        thrown => {
          expect(thrown).toMatchObject({ code: 'INTERRUPTED' });
          return false;
        },
      );
      const outcome = await restore({ records, target, options });
      expect(outcome.problems, target).toEqual([]);
      expect(stringAt(await volumeOf(target, 'workspace'), 'status', 'phase'), target).toBe('Bound');
      expect(stringAt(await volumeOf(target, 'workspace'), 'spec', 'persistentVolumeReclaimPolicy'), target).toBe('Delete');
      expect(traces(await volumeOf(target, 'workspace')), target).toEqual([]);
      expect(await listOf(api, claims, home), target).toEqual([]);
      expect(provisioner.made() - before, `volumes of ${target}`).toBe(1);
      // Between the end of the move and the mark on the volume there is one write: only there it is moved once more.
      expect(moves.length, `moves of ${target}`).toBeLessThanOrEqual(2);
      expect(writes, 'a restore of one claim has few writes').toBeLessThan(12);
    }
  });

  it('does not create a claim whose data cannot be brought back; the others come', async () => {
    const outcome = await restore({ records: both, target: 'damaged', failing: new Set(['workspace']) });
    expect(outcome.phase).toBe('PartiallyFailed');
    expect(outcome.problems).toMatchObject(
      [{ severity: 'failed', item: 'persistentvolumeclaims damaged/workspace', code: 'VOLUME_DATA_DAMAGED', message: /pack 1234/ }].map(
        one => ({ ...one, message: expect.stringMatching(one.message) }),
      ),
    );
    expect(outcome.volumes).toMatchObject([
      { claim: 'cache', state: 'filled' },
      { claim: 'workspace', state: 'failed', problem: { code: 'VOLUME_DATA_DAMAGED' } },
    ]);
    expect(await getObject(api, claims, 'damaged', 'workspace')).toBeUndefined();
    expect(await getObject(api, configMaps, 'damaged', 'settings')).toBeDefined();
    await waitFor('nothing is left behind', async () => (await listOf(api, claims, home)).length === 0, { timeoutMs: 60_000 });

    const mended = await restore({ records: both, target: 'damaged' });
    expect(mended.problems).toEqual([]);
    expect(mended.volumes).toMatchObject([
      { claim: 'cache', state: 'kept' },
      { claim: 'workspace', state: 'filled' },
    ]);
  });

  it('fails claims with data where nothing could move it, and creates them empty when that is asked for', async () => {
    const refused = await restore({ records: both, target: 'bare', volumes: undefined });
    expect(refused.phase).toBe('PartiallyFailed');
    expect(await listOf(api, claims, 'bare')).toEqual([]);
    const empty = await restore({ records: both, target: 'bare', volumes: undefined, options: { volumes: 'none' } });
    expect(empty.problems).toEqual([]);
    expect(empty.volumes).toMatchObject([{ state: 'empty' }, { state: 'empty' }]);
    expect(await listOf(api, claims, 'bare')).toHaveLength(2);
  });

  it('gives claims another storage class, also one that waits for a first consumer', async () => {
    const options = { storageClasses: { fast: 'late' } };
    const outcome = await restore({ records: both, target: 'late', options });
    expect(outcome.problems).toEqual([]);
    expect(at(await volumeOf('late', 'workspace'), 'spec', 'storageClassName')).toBe('late');
    expect(failures(await compareWith(set, api, { ...inNamespace('late'), ...options }))).toEqual([]);
    const differs = await compareWith(set, api, inNamespace('late'));
    expect(failures(differs), 'and a validation that is not told finds it').not.toEqual([]);
  });

  it('gives a volume of a class that retains its policy back, and leaves none behind where the restore failed', async () => {
    const options = { storageClasses: { fast: 'kept' } };
    const ofClass = async () => (await listOf(api, volumes)).filter(volume => stringAt(volume, 'spec', 'storageClassName') === 'kept');
    await restore({ records: both, target: 'retained', options, failing: new Set(['workspace']) });
    await waitFor('the volume of the failed claim is gone', async () => (await ofClass()).length === 1, { timeoutMs: 60_000 });
    const [volume] = await ofClass();
    expect(at(volume, 'spec')).toMatchObject({
      persistentVolumeReclaimPolicy: 'Retain',
      claimRef: { namespace: 'retained', name: 'cache' },
    });
  });

  it('takes the kept snapshot while it is usable, and says in the plan why not', async () => {
    await makeSnapshotKinds();
    const kept = { namespace: home, name: 'kept-1' };
    const snapshot = {
      driver: provisioner.driver,
      class: 'c',
      handle: 'handle-1',
      takenAt: '2026-11-20T10:00:00Z',
      restoreSizeBytes: 96 * 2 ** 20,
      kept,
    };
    const records: VolumeRecord[] = [{ ...moved('workspace'), snapshot }];
    const [missing] = (await planRestore(input({ records, target: 'snapped' }))).volumes;
    expect(missing).toMatchObject({ source: 'repository', reason: `the snapshot ${home}/kept-1 is not in this cluster any more` });

    await makeSnapshot('kept-1', 'other-handle');
    const [other] = (await planRestore(input({ records, target: 'snapped' }))).volumes;
    expect(other).toMatchObject({ source: 'repository', reason: `the snapshot ${home}/kept-1 is another one than the set’s` });

    await makeSnapshot('kept-2', 'handle-1');
    const usable: VolumeRecord[] = [{ ...moved('workspace'), snapshot: { ...snapshot, kept: { ...kept, name: 'kept-2' } } }];
    moves = [];
    const outcome = await restore({ records: usable, target: 'snapped' });
    expect(outcome.problems).toEqual([]);
    expect(outcome.volumes).toMatchObject([{ claim: 'workspace', state: 'filled', source: 'snapshot' }]);
    expect(moves, 'no data is moved').toEqual([]);
    expect(at(await volumeOf('snapped', 'workspace'), 'spec', 'capacity', 'storage')).toBe(String(96 * 2 ** 20));
  });

  it('does not bind a claim to what another set has left for it', async () => {
    const records = [moved('workspace')];
    const other = withVolumes(records);
    const old = { ...other, manifest: { ...other.manifest, id: '20260101T000000Z-daily-aaaa' } };
    // Killed between the filled volume and its claim.
    const dying = new AbortController();
    const fence = (claim: string) => ({
      ...api,
      ...fencedCluster(api, { check: () => {} }),
      create: (kind: ResourceKind, namespace: string, body: string) => {
        if (kind.resource !== 'persistentvolumeclaims' || namespace !== claim) return api.create(kind, namespace, body);
        dying.abort(new HoldfastError('INTERRUPTED', 'killed'));
        return Promise.reject(new HoldfastError('INTERRUPTED', 'killed'));
      },
    });
    const attempt = input({ records, target: 'contested', through: fence('contested'), signal: dying.signal });
    await expect(runRestore({ ...attempt, reader: old })).rejects.toMatchObject({ code: 'INTERRUPTED' });
    const [left] = (await listOf(api, volumes)).filter(volume => at(volume, 'spec', 'claimRef', 'namespace') === 'contested');
    expect(left, 'the first restore has left a volume').toBeDefined();

    const outcome = await restore({ records, target: 'contested' });
    expect(outcome.problems).toEqual([]);
    const volume = await volumeOf('contested', 'workspace');
    expect(stringAt(volume, 'metadata', 'name')).not.toBe(stringAt(left ?? {}, 'metadata', 'name'));
    const gone = async () => (await getObject(api, volumes, '', stringAt(left ?? {}, 'metadata', 'name') ?? '')) === undefined;
    await waitFor('the volume of the other set is deleted', gone, { timeoutMs: 60_000 });
  });

  async function makeSnapshotKinds(): Promise<void> {
    for (const kind of [snapshots, contents]) {
      const { group, resource, kind: name } = kind;
      const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
      const body = {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: {
          name: `${resource}.${group}`,
          annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-csi/external-snapshotter/pull/814' },
        },
        spec: {
          ...{ group, scope: kind.namespaced ? 'Namespaced' : 'Cluster' },
          names: { kind: name, plural: resource, singular: name.toLowerCase() },
          versions: [{ name: 'v1', served: true, storage: true, schema }],
        },
      };
      await api.create(definitions, '', JSON.stringify(body));
    }
    const served = async () => (await api.get(snapshots, home, 'none')) === undefined && (await listServed());
    await waitFor('snapshots are served', served, { timeoutMs: 60_000 });
  }

  async function listServed(): Promise<boolean> {
    const { kinds } = await api.discover();
    return [snapshots, contents].every(kind => kinds.some(one => one.group === kind.group && one.resource === kind.resource));
  }

  async function makeSnapshot(name: string, handle: string): Promise<void> {
    const version = 'snapshot.storage.k8s.io/v1';
    const content = { spec: { source: { snapshotHandle: handle } }, status: { snapshotHandle: handle, readyToUse: true } };
    const whole = { apiVersion: version, kind: 'VolumeSnapshotContent', metadata: { name: `content-${name}` }, ...content };
    parseJson(await api.create(contents, '', JSON.stringify(whole)));
    const status = { readyToUse: true, boundVolumeSnapshotContentName: `content-${name}`, restoreSize: '90Mi' };
    await api.create(snapshots, home, JSON.stringify({ apiVersion: version, kind: 'VolumeSnapshot', metadata: { name }, status }));
  }
});
