import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CaptureContext, freshName } from '../../src/backup/volumes/context.ts';
import { keptLabel } from '../../src/backup/volumes/handover.ts';
import { keepNewest } from '../../src/backup/volumes/keep.ts';
import { findLeftovers } from '../../src/backup/volumes/leftovers.ts';
import { createSnapshot } from '../../src/backup/volumes/snapshots.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { createLease } from '../../src/cluster/lease.ts';
import { stringAt } from '../../src/domain/json.ts';
import { microTime } from '../../src/domain/micro-time.ts';
import { volumeNames } from '../../src/domain/volume.ts';
import { createFrozenPods } from '../../src/volumes/frozen-pods.ts';
import { configMaps, jobs, volumeSnapshots } from '../../src/volumes/kinds.ts';
import { claimDigest, installationOf } from '../../src/volumes/labels.ts';
import { moverJob } from '../../src/volumes/mover-job.ts';
import { endLeftovers } from '../../src/volumes/mover-objects.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { findOrphans } from '../../src/volumes/orphans.ts';
import type { PodHooks } from '../../src/volumes/pod-hooks.ts';
import type { MoverTask } from '../../src/volumes/ports.ts';
import { workLeaseName } from '../../src/volumes/work-lease.ts';
import { installDefinitions } from '../cluster/definitions.ts';
import { snapshotDefinitions } from '../cluster/modules.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { makeRepository, type TestRepository } from '../contract/repository-fixture.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, nameOf, never, testMover, testVolumeSettings } from '../helpers/volumes.ts';

const claim = { namespace: 'agents', claim: 'workspace' };
const repository = { key: 'volumes/agents/workspace/', password: 'p' };
const work = '20261123T020000Z-daily-k3f9';

/** Two installations take care of volumes in one cluster: the control plane is real, and nothing runs on it. */
describe('beside another installation', () => {
  const cluster = withCluster();
  let [api, objects, location]: [ClusterApi, Objects, TestRepository] = [] as never;
  const [ours, theirs] = [installationOf('a'.repeat(32), 'holdfast'), installationOf('b'.repeat(32), 'other')];

  beforeAll(async () => {
    await installDefinitions(cluster(), await snapshotDefinitions());
    api = await connectTo(cluster());
    objects = createObjects(api, testRuntime);
    location = await makeRepository();
    await Promise.all(['agents', 'holdfast', 'other'].map(name => makeNamespace(objects, name)));
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
  });

  const leaseIn = (namespace: string) => (name: string) => createLease(api, { namespace, name });
  const context = (installation: string, namespace: string, id = work): CaptureContext =>
    ({
      ...{ objects, installation, work: id, signal: never, runtime: testRuntime, monotonic: () => performance.now() },
      settings: { ...testVolumeSettings, namespace },
      lease: leaseIn(namespace),
      onWarning: () => {},
    }) as Partial<CaptureContext> as CaptureContext;
  const everySet = async () => true;
  const snapshots = async () => (await objects.list(volumeSnapshots, {}, never)).map(nameOf);
  const orphans = (installation: string) =>
    findOrphans({
      objects,
      lease: leaseIn('holdfast'),
      repository: location.repository,
      installation,
      trusted: [],
      now: new Date(),
      olderThanMs: 0,
      signal: never,
    });

  it('a backup removes what a killed one of its own left, and leaves the other’s snapshots alone', async () => {
    const mine = await createSnapshot(context(ours, 'holdfast'), claim, 'fast');
    const other = await createSnapshot(context(theirs, 'other'), claim, 'fast');
    // No lease of either run is there: of ours that says that it is over, of theirs nothing.
    await (await findLeftovers(context(ours, 'holdfast', 'next'))).finish();
    expect(await snapshots()).toEqual([other.name]);
    expect(mine.name).not.toBe(other.name);
    await (await findLeftovers(context(theirs, 'other', 'next'))).finish();
    expect(await snapshots()).toEqual([]);
  });

  it('a kept snapshot that no set of ours names is left over only where it is ours', async () => {
    for (const [installation, namespace] of [
      [ours, 'holdfast'],
      [theirs, 'other'],
    ] as const) {
      const tools = context(installation, namespace);
      const { name } = await createSnapshot(tools, { ...claim, namespace }, 'fast');
      await objects.merge(volumeSnapshots, namespace, name, { metadata: { labels: { [keptLabel]: 'true' } } }, never);
    }
    expect((await orphans(ours)).orphans.map(one => one.namespace)).toEqual(['holdfast']);
    expect((await orphans(theirs)).orphans.map(one => one.namespace)).toEqual(['other']);
  });

  it('the newest snapshots of a claim are kept for each, in one namespace too', async () => {
    const place = { namespace: 'holdfast', claim: 'shared' };
    for (const installation of [ours, theirs]) {
      const { name } = await createSnapshot(context(installation, 'holdfast'), place, 'fast');
      await objects.merge(volumeSnapshots, 'holdfast', name, { metadata: { labels: { [keptLabel]: 'true' } } }, never);
    }
    const left = async () => {
      const all = await objects.list(volumeSnapshots, { labelSelector: `${volumeNames.claimLabel}=${claimDigest(place)}` }, never);
      return all.map(one => stringAt(one, 'metadata', 'labels', volumeNames.installationLabel)).sort();
    };
    await keepNewest(context(ours, 'holdfast'), place, everySet);
    expect(await left()).toEqual([ours, theirs].sort());
    const strict = context(theirs, 'holdfast');
    await keepNewest({ ...strict, settings: { ...strict.settings, keepSnapshots: 0 } }, place, everySet);
    expect(await left()).toEqual([ours]);
  });

  it('the snapshots of runs whose sets never came push out none that a set has kept', async () => {
    const place = { namespace: 'holdfast', claim: 'pushed' };
    const keep = async (id: string) => {
      const { name } = await createSnapshot(context(ours, 'holdfast', id), place, 'fast');
      await objects.merge(volumeSnapshots, 'holdfast', name, { metadata: { labels: { [keptLabel]: 'true' } } }, never);
      return name;
    };
    const good = '20261120T020000Z-daily-aaaa';
    const failed = ['20261121T020000Z-daily-bbbb', '20261122T020000Z-daily-cccc', '20261123T020000Z-daily-dddd'];
    await keep(good);
    for (const id of failed) await keep(id);
    const left = async () => {
      const all = await objects.list(volumeSnapshots, { labelSelector: `${volumeNames.claimLabel}=${claimDigest(place)}` }, never);
      return all.map(one => stringAt(one, 'metadata', 'labels', volumeNames.workLabel)).sort();
    };
    const tools = context(ours, 'holdfast');
    const strict = { ...tools, settings: { ...tools.settings, keepSnapshots: 1 } };
    const hasSet = async (id: string) => id === good;
    await keepNewest(strict, place, hasSet);
    expect(await left()).toEqual([good, ...failed]);
    // A day later nobody will finish them any more, but for the one whose Lease is there.
    await leaseIn('holdfast')(workLeaseName(failed[1]!)).create(
      {
        holderIdentity: 'x',
        leaseDurationSeconds: 20,
        acquireTime: microTime(new Date()),
        renewTime: microTime(new Date()),
        leaseTransitions: 0,
      },
      {},
    );
    const later = { ...testRuntime, now: () => new Date(Date.now() + 2 * 86_400_000) };
    await keepNewest({ ...strict, runtime: later }, place, hasSet);
    expect(await left()).toEqual([good, failed[1]]);
  });

  it('the note of a frozen pod is for whoever froze it, in one namespace too', async () => {
    const hook: PodHooks = {
      ...{ namespace: 'agents', name: 'gone', uid: 'u', container: 'main', timeoutMs: 1_000 },
      ...{ quiesce: ['freeze'], thaw: ['thaw'], onError: 'fail', from: 'annotations' },
    };
    const frozen = (installation: string) => createFrozenPods({ ...context(installation, 'holdfast'), pods: {} as never });
    const notes = async () => {
      const all = await objects.list(configMaps, { namespace: 'holdfast', labelSelector: `${volumeNames.roleLabel}=frozen` }, never);
      return all.map(one => stringAt(one, 'metadata', 'labels', volumeNames.installationLabel)).sort();
    };
    await frozen(ours).note('ours', hook, never);
    await frozen(theirs).note('theirs', hook, never);
    expect((await orphans(ours)).orphans.filter(({ kind }) => kind === 'configmaps')).toMatchObject([{ work: 'ours' }]);
    // Neither run has a lease, and the pod is gone: whose note it is has nothing to thaw, and removes it.
    await frozen(ours).thawLeft({ signal: never });
    expect(await notes()).toEqual([theirs]);
    await frozen(theirs).thawLeft({ signal: never });
    expect(await notes()).toEqual([]);
  });

  it('a mover of the same claim in another location is not ended', async () => {
    const task: MoverTask = {
      ...{ work, role: 'backup', subject: claim, namespace: 'agents', repository },
      claim: { name: 'temporary', mode: 'Filesystem', readOnly: true },
      request: () => ({ action: 'check' }) as never,
    };
    const make = async (installation: string) => {
      const name = freshName({ runtime: testRuntime }, claimDigest(claim), 'mover-');
      const options = {
        name,
        task,
        installation,
        request: task.request({} as never),
        pod: testMover,
        slot: name,
        avoid: [],
        startMs: 1,
      };
      await objects.create(jobs, moverJob(options), never);
      return name;
    };
    const [, kept] = [await make(ours), await make(theirs)];
    await endLeftovers(objects, repository.key, { patient: true, installation: ours, signal: never });
    expect((await objects.list(jobs, { namespace: 'agents' }, never)).map(nameOf)).toEqual([kept]);
  });
});
