import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { fencedCluster } from '../../src/cluster/fenced-cluster.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { at, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { noProgress, type Runtime } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { planRestore } from '../../src/restore/plan.ts';
import { runRestore } from '../../src/restore/run.ts';
import { restoreClaim } from '../../src/restore/volumes/restore-claim.ts';
import type { VolumeTools } from '../../src/restore/volumes/tools.ts';
import { namespaces, pods, snapshotContents, volumeSnapshots } from '../../src/volumes/kinds.ts';
import { installationOf } from '../../src/volumes/labels.ts';
import { installDefinitions } from '../cluster/definitions.ts';
import { snapshotDefinitions } from '../cluster/modules.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { claims, listOf, makeClass, type Provisioner, startProvisioner, storageClasses, volumes } from '../helpers/provisioner.ts';
import { getObject } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { withVolumes } from '../helpers/volume-world.ts';
import { intoNewClaims, nameOf, testVolumeSettings } from '../helpers/volumes.ts';

const home = testVolumeSettings.namespace;
const selection = { ...everything, includeNamespaces: ['lab'], includeKinds: ['persistentvolumeclaims'] };
const killed = () => new HoldfastError('INTERRUPTED', 'killed');
const patience = { timeoutMs: 60_000 };

const record: VolumeRecord = {
  ...{ namespace: 'lab', claim: 'workspace', state: 'captured', reason: '', storageClass: 'fast', volumeMode: 'Filesystem' },
  sizeBytes: 64 * 2 ** 20,
  data: {
    ...{ repository: 'volumes/lab/workspace/', snapshot: 'a'.repeat(64), source: 'snapshot' },
    ...{ files: 3, bytes: 2_048, addedBytes: 100, durationMs: 5 },
  },
};

interface Attempt {
  readonly target: string;
  /** Of the set; its own unless told. */
  readonly id?: string;
  readonly record?: VolumeRecord;
  readonly include?: readonly string[];
  readonly size?: string;
  /** The class that it gets in place of its own. */
  readonly storageClass?: string;
  readonly installation?: string;
  readonly through?: ClusterApi;
  readonly signal?: AbortSignal;
  readonly runtime?: Runtime;
  /** When the mover has written half. */
  readonly halfway?: () => void | Promise<void>;
}

/** The volume controller is real; no node runs here, so that movers only tell what they were asked to do. */
describe('a claim for which another restore has left something', () => {
  const cluster = withCluster({ name: 'volumes-others' });
  let api: ClusterApi;
  let location: OpenLocation;
  let set: SetReader;
  let provisioner: Provisioner;
  /** What each mover was asked to restore. */
  let moves: string[] = [];

  beforeAll(async () => {
    await installDefinitions(cluster(), await snapshotDefinitions());
    api = await connect(cluster());
    location = await openTestRepository();
    provisioner = startProvisioner(api);
    for (const name of ['lab', home]) await makeNamespace(name);
    await makeClass(api, 'fast', 'Immediate');
    await makeClaim('lab');
    await bound('lab');
    set = await reader(location, await completeBackup(location, api, selection));
  });
  afterAll(async () => {
    await provisioner?.stop();
    await api?.close();
    await location?.remove();
  });

  const makeNamespace = (name: string) => api.create(namespaces, '', JSON.stringify({ metadata: { name } }));
  const makeClaim = (namespace: string, more: JsonObject = {}) => {
    const spec = { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources: { requests: { storage: '64Mi' } }, ...more };
    return api.create(claims, namespace, JSON.stringify({ metadata: { name: 'workspace' }, spec }));
  };
  const bound = (namespace: string, name = 'workspace') => {
    const volume = async () => {
      const claim = (await getObject(api, claims, namespace, name)) ?? {};
      return stringAt(claim, 'status', 'phase') === 'Bound' ? stringAt(claim, 'spec', 'volumeName') : undefined;
    };
    return waitFor(`${namespace}/${name} is bound`, volume, patience);
  };
  const gone = (kind: ResourceKind, namespace: string, name: string) =>
    waitFor(`${name} is gone`, async () => (await getObject(api, kind, namespace, name)) === undefined, patience);
  /** Temporary claims. */
  const temporary = () => listOf(api, claims, home);
  const phaseOf = async (volume: string) => stringAt((await getObject(api, volumes, '', volume)) ?? {}, 'status', 'phase');
  /** Names of ours on a volume. */
  const traces = async (name: string) => {
    const volume = (await getObject(api, volumes, '', name)) ?? {};
    const maps = ['labels', 'annotations'].map(map => at(volume, 'metadata', map) ?? {});
    return maps.flatMap(map => Object.keys(map)).filter(each => each.includes('holdfast.dev/'));
  };
  /** The one volume that is reserved for the claim of this namespace. */
  const reservedFor = async (namespace: string): Promise<string> => {
    const found = (await listOf(api, volumes)).filter(volume => at(volume, 'spec', 'claimRef', 'namespace') === namespace).map(nameOf);
    expect(found).toHaveLength(1);
    return found[0] ?? '';
  };

  const tools = ({ installation, halfway }: Attempt): VolumeTools => ({
    ...{ settings: testVolumeSettings, identities: [], ...(installation !== undefined && { installation }) },
    ...intoNewClaims,
    movers: {
      run: async (task, { signal }) => {
        const request = task.request({ url: 's3:http://store/bucket', options: [], accessKeyId: '', secretAccessKey: '' });
        await bound(task.namespace, task.claim?.name);
        await halfway?.();
        signal.throwIfAborted();
        moves.push(request.action === 'restore' ? request.include.join(' ') || 'all' : request.action);
        return { ok: true, action: request.action, durationMs: 1, files: 3, bytes: 2_048 };
      },
    },
  });
  const common = (attempt: Attempt) => {
    const { id, through = api, signal = AbortSignal.timeout(170_000), runtime = testRuntime } = attempt;
    const of = withVolumes(set, [attempt.record ?? record]);
    const source = id === undefined ? of : { ...of, manifest: { ...of.manifest, id } };
    return { reader: source, cluster: through, runtime, progress: noProgress, signal };
  };
  /** `holdfast volumes restore`. */
  const bringBack = (attempt: Attempt) => {
    const { target, include = [], size, storageClass } = attempt;
    return restoreClaim({
      ...{ ...common(attempt), tools: tools(attempt) },
      request: {
        ...{ from: { namespace: 'lab', claim: 'workspace' }, to: { namespace: target, claim: 'workspace' }, include, inPlace: false },
        ...{ deleteOthers: false, scaleDown: false, ...(size !== undefined && { size }) },
        storageClasses: storageClass === undefined ? {} : { fast: storageClass },
      },
    });
  };
  const options = (target: string) => ({ selection, namespaceMapping: { lab: target }, existing: 'skip', waitMs: 60_000 }) as const;
  /** `holdfast restore create`. */
  const restore = (attempt: Attempt) => runRestore({ ...common(attempt), volumes: tools(attempt), options: options(attempt.target) });

  const whileMoving = () => {
    const dying = new AbortController();
    return { halfway: () => dying.abort(killed()), signal: dying.signal };
  };
  /** Between the filled volume and its claim. */
  const beforeClaim = (target: string) => {
    const dying = new AbortController();
    const create: ClusterApi['create'] = (kind, namespace, body, created) => {
      if (kind.resource !== claims.resource || namespace !== target) return api.create(kind, namespace, body, created);
      dying.abort(killed());
      return Promise.reject(killed());
    };
    return { target, through: { ...fencedCluster(api, { check: () => {} }), create }, signal: dying.signal };
  };
  const interrupted = { code: 'INTERRUPTED' };

  async function makeSnapshot(name: string): Promise<VolumeRecord> {
    const [apiVersion, driver] = ['snapshot.storage.k8s.io/v1', provisioner.driver];
    const reference = { namespace: home, name };
    const spec = { driver, deletionPolicy: 'Retain', source: { snapshotHandle: name }, volumeSnapshotRef: reference };
    const content = { apiVersion, kind: 'VolumeSnapshotContent', metadata: { name }, spec };
    await api.create(snapshotContents, '', JSON.stringify(content));
    const source = { volumeSnapshotContentName: name };
    const snapshot = { apiVersion, kind: 'VolumeSnapshot', metadata: { name }, spec: { source } };
    await api.create(volumeSnapshots, home, JSON.stringify(snapshot));
    const status = async (kind: ResourceKind, namespace: string, body: object) =>
      api.patch(kind, namespace, name, { type: 'merge', body: JSON.stringify({ status: body }), subresource: 'status' });
    await status(snapshotContents, '', { snapshotHandle: name, readyToUse: true });
    await status(volumeSnapshots, home, { readyToUse: true, boundVolumeSnapshotContentName: name, restoreSize: '64Mi' });
    return snapshotted(name);
  }
  const snapshotted = (name: string): VolumeRecord => {
    const taken = { handle: name, takenAt: '2026-11-20T10:00:00Z', restoreSizeBytes: 64 * 2 ** 20 };
    return { ...record, snapshot: { driver: provisioner.driver, class: 'c', ...taken, kept: { namespace: home, name } } };
  };

  it('is not taken for whole where single files of it were half restored: it comes from its snapshot into another volume', async () => {
    const target = 'half';
    await makeNamespace(target);
    const whole = await makeSnapshot('kept-half');
    await expect(bringBack({ target, record: whole, include: ['/src', '/doc'], ...whileMoving() })).rejects.toMatchObject(interrupted);
    const [left] = await temporary();
    const half = await bound(home, nameOf(left));
    // What was asked for in the same words, or in another order, goes on in the same volume.
    await expect(bringBack({ target, record: whole, include: ['/doc', '/src'], ...whileMoving() })).rejects.toMatchObject(interrupted);
    expect(await bound(home, nameOf(left))).toBe(half);

    moves = [];
    const made: string[] = [];
    const create: ClusterApi['create'] = async (kind, namespace, body, created) => {
      if (namespace === home) made.push(stringAt(parseJson(body), 'spec', 'dataSource', 'name') ?? 'nothing');
      return api.create(kind, namespace, body, created);
    };
    const outcome = await bringBack({ target, record: whole, through: { ...fencedCluster(api, { check: () => {} }), create } });
    expect(outcome).toMatchObject({ state: 'filled', source: 'snapshot' });
    expect(moves, 'no data is moved').toEqual([]);
    expect(made, 'what the volume is made of').toEqual(['kept-half']);
    expect(await bound(target)).not.toBe(half);
    await gone(volumes, '', half);
    expect(await temporary()).toEqual([]);
  });

  it('is made of the snapshot that is there by now, and not of what was moved half before', async () => {
    const target = 'planned';
    await expect(restore({ target, record: snapshotted('kept-late'), ...whileMoving() })).rejects.toMatchObject(interrupted);
    const half = await bound(home, nameOf((await temporary())[0]));
    const outcome = await restore({ target, record: await makeSnapshot('kept-late') });
    expect(outcome.problems).toEqual([]);
    expect(outcome.volumes).toMatchObject([{ state: 'filled', source: 'snapshot' }]);
    expect(await bound(target)).not.toBe(half);
    await gone(volumes, '', half);
  });

  it('gets the volume that somebody has made for it, which another restore had taken: that is given back in between', async () => {
    const target = 'by-hand';
    await makeNamespace(target);
    const disks = { metadata: { name: 'disks' }, provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'Immediate' };
    await api.create(storageClasses, '', JSON.stringify({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', ...disks }));
    const spec = {
      ...{
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'disks',
        persistentVolumeReclaimPolicy: 'Delete',
      },
      ...{ hostPath: { path: '/nowhere' }, claimRef: { namespace: target, name: 'workspace' } },
    };
    await api.create(volumes, '', JSON.stringify({ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'disk' }, spec }));
    const attempt = { target, storageClass: 'disks' };
    await expect(bringBack({ ...attempt, include: ['/src'], ...whileMoving() })).rejects.toMatchObject(interrupted);
    const [left] = await temporary();
    moves = [];
    const uids: unknown[] = [];
    const halfway = async () => void uids.push(...(await temporary()).map(claim => at(claim, 'metadata', 'uid')));
    expect(await bringBack({ ...attempt, halfway })).toMatchObject({ state: 'filled', source: 'repository' });
    expect(moves).toEqual(['all']);
    expect(uids, 'another temporary claim').toHaveLength(1);
    expect(uids).not.toContain(at(left, 'metadata', 'uid'));
    expect(await bound(target)).toBe('disk');
    expect(at((await getObject(api, volumes, '', 'disk')) ?? {}, 'spec', 'persistentVolumeReclaimPolicy')).toBe('Delete');
    expect(await traces('disk')).toEqual([]);
  });

  it('is not taken from a mover that is at work on it for something else', async () => {
    const target = 'busy';
    await makeNamespace(target);
    await expect(bringBack({ target, include: ['/src'], ...whileMoving() })).rejects.toMatchObject(interrupted);
    const [left] = await temporary();
    const container = { name: 'main', image: 'localhost/none:1' };
    const data = { name: 'data', persistentVolumeClaim: { claimName: nameOf(left) } };
    const spec = { containers: [container], volumes: [data], automountServiceAccountToken: false };
    await api.create(pods, home, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'at-work' }, spec }));
    let minutes = 0;
    const runtime = { ...testRuntime, now: () => new Date(Date.now() + minutes++ * 60_000) };
    const refused = { code: 'VOLUME_IN_USE', message: expect.stringContaining('by pods at-work') };
    await expect(bringBack({ target, runtime })).rejects.toMatchObject(refused);
    const [still] = await temporary();
    expect(at(still, 'metadata', 'uid')).toBe(at(left, 'metadata', 'uid'));
    expect(at(still, 'metadata', 'deletionTimestamp')).toBeUndefined();

    await api.delete(pods, home, 'at-work');
    moves = [];
    expect(await bringBack({ target })).toMatchObject({ state: 'filled', source: 'repository' });
    expect(moves).toEqual(['all']);
  });

  it('is not bound to what a restore of another set has filled for it', async () => {
    const target = 'contested';
    await makeNamespace(target);
    await expect(bringBack({ ...beforeClaim(target), id: '20260101T000000Z-daily-aaaa' })).rejects.toMatchObject(interrupted);
    const left = await reservedFor(target);
    expect(await bringBack({ target })).toMatchObject({ state: 'filled' });
    expect(await bound(target)).not.toBe(left);
    await gone(volumes, '', left);
    expect(await traces(await bound(target))).toEqual([]);
  });

  it('is not bound to the single files that were restored for it, neither alone nor with everything else', async () => {
    for (const [target, whole] of [
      ['part-alone', bringBack],
      ['part-all', restore],
    ] as const) {
      await makeNamespace(target);
      await expect(bringBack({ ...beforeClaim(target), include: ['/src'] })).rejects.toMatchObject(interrupted);
      const part = await reservedFor(target);
      moves = [];
      await whole({ target });
      expect(moves, target).toEqual(['all']);
      expect(await bound(target), target).not.toBe(part);
      await gone(volumes, '', part);
    }
  });

  it('has the size that is asked for now', async () => {
    const target = 'sized';
    await makeNamespace(target);
    await expect(bringBack({ ...beforeClaim(target), size: '128Mi' })).rejects.toMatchObject(interrupted);
    const small = await reservedFor(target);
    moves = [];
    expect(await bringBack({ target, size: '256Mi' })).toMatchObject({ state: 'filled' });
    expect(moves).toEqual(['all']);
    const volume = await bound(target);
    expect(at((await getObject(api, volumes, '', volume)) ?? {}, 'spec', 'capacity', 'storage')).toBe(String(256 * 2 ** 20));
    await gone(volumes, '', small);
  });

  it('is not called filled where somebody else has made it meanwhile, with another volume: the full one waits', async () => {
    const target = 'somebody';
    await makeNamespace(target);
    await expect(bringBack(beforeClaim(target))).rejects.toMatchObject(interrupted);
    const full = await reservedFor(target);
    const spec = {
      ...{
        capacity: { storage: '64Mi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'fast',
        persistentVolumeReclaimPolicy: 'Retain',
      },
      ...{ csi: { driver: provisioner.driver, volumeHandle: 'theirs' }, claimRef: { namespace: target, name: 'workspace' } },
    };
    await api.create(volumes, '', JSON.stringify({ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'theirs' }, spec }));
    await makeClaim(target, { volumeName: 'theirs' });
    expect(await bound(target)).toBe('theirs');

    const message = `persistentvolumeclaims ${target}/workspace is bound to theirs, and its data lies in the volume ${full}`;
    await expect(bringBack({ target })).rejects.toMatchObject({ code: 'RESTORE_PARTIAL', message });
    expect(await traces(full), 'it can still be found').not.toEqual([]);

    await api.delete(claims, target, 'workspace');
    await gone(claims, target, 'workspace');
    moves = [];
    expect(await bringBack({ target })).toMatchObject({ state: 'filled' });
    expect(await bound(target)).toBe(full);
    expect(moves).toEqual([]);
  });

  it('is not made while another installation’s volume waits for it, which is not ours to give up', async () => {
    const [ours, theirs] = [installationOf('a'.repeat(32), home), installationOf('b'.repeat(32), 'other')];
    const target = 'foreign';
    await makeNamespace(target);
    await expect(bringBack({ ...beforeClaim(target), installation: theirs })).rejects.toMatchObject(interrupted);
    const waits = await reservedFor(target);
    const reason = { message: expect.stringContaining(`the volume ${waits} waits for it, which another installation has filled`) };
    await expect(bringBack({ target, installation: ours })).rejects.toMatchObject({ code: 'VOLUME_IN_USE', ...reason });
    const attempt = { target, installation: ours };
    const planned = await planRestore({ ...common(attempt), volumes: tools(attempt), options: options(target) });
    expect(planned.volumes).toMatchObject([{ action: 'fail', code: 'VOLUME_IN_USE', reason: reason.message }]);
    const outcome = await restore(attempt);
    expect(outcome).toMatchObject({ phase: 'Failed', volumes: [{ state: 'failed', problem: { code: 'VOLUME_IN_USE' } }] });
    expect(await getObject(api, claims, target, 'workspace')).toBeUndefined();
    expect(await phaseOf(waits)).toBe('Available');

    moves = [];
    expect(await bringBack({ target, installation: theirs })).toMatchObject({ state: 'filled' });
    expect(await bound(target)).toBe(waits);
    expect(moves).toEqual([]);
  });

  it('is completed by the same restore, killed after any write, in the same volume', async () => {
    let ended = false;
    for (let writes = 1; !ended; writes++) {
      const target = `killed-${writes}`;
      await makeNamespace(target);
      moves = [];
      const before = provisioner.made();
      const dying = new AbortController();
      let left = writes;
      const check = () => {
        if (left-- > 0) return;
        dying.abort(killed());
        throw killed();
      };
      ended = await bringBack({ target, include: ['/src'], through: fencedCluster(api, { check }), signal: dying.signal }).then(
        () => true,
        thrown => {
          expect(thrown).toMatchObject(interrupted);
          return false;
        },
      );
      // The last write takes the marks away: from then on it is a claim like any other.
      const again = await bringBack({ target, include: ['/src'] }).catch((thrown: unknown) => thrown);
      expect(again, target).toMatchObject(ended ? { code: 'CLUSTER_CONFLICT' } : { state: 'filled' });
      const volume = await bound(target);
      expect(await traces(volume), target).toEqual([]);
      expect(at((await getObject(api, volumes, '', volume)) ?? {}, 'spec', 'persistentVolumeReclaimPolicy'), target).toBe('Delete');
      expect(await temporary(), target).toEqual([]);
      expect(provisioner.made() - before, `volumes of ${target}`).toBe(1);
      expect(moves.length, `moves of ${target}`).toBeLessThanOrEqual(2);
      expect(writes, 'a restore of one claim has few writes').toBeLessThan(12);
    }
  });
});
