import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { createLease } from '../../src/cluster/lease.ts';
import { stringAt } from '../../src/domain/json.ts';
import { microTime } from '../../src/domain/micro-time.ts';
import { volumeNames } from '../../src/domain/volume.ts';
import { snapshotContents } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { findOrphans, removeOrphans } from '../../src/volumes/orphans.ts';
import { workLeaseName } from '../../src/volumes/work-lease.ts';
import { installDefinitions } from '../cluster/definitions.ts';
import { snapshotDefinitions } from '../cluster/modules.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { makeRepository, type TestRepository } from '../contract/repository-fixture.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, nameOf, never } from '../helpers/volumes.ts';

/** The control plane is real, and nothing runs on it: what is asked of the storage stays to be seen. */
describe('snapshot contents that are left over', () => {
  const cluster = withCluster();
  let [api, objects, location]: [ClusterApi, Objects, TestRepository] = [] as never;

  beforeAll(async () => {
    await installDefinitions(cluster(), await snapshotDefinitions());
    api = await connectTo(cluster());
    objects = createObjects(api, testRuntime);
    location = await makeRepository();
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
  });

  const lease = (name: string) => createLease(api, { namespace: 'holdfast', name });

  /** With a finalizer, as a driver has that has not answered yet. */
  const make = async (name: string, snapshotHandle: string, labels: Record<string, string>) => {
    const spec = {
      ...{ driver: 'csi.example.org', deletionPolicy: 'Retain', source: { snapshotHandle } },
      volumeSnapshotRef: { namespace: 'agents', name: `${name}-gone` },
    };
    await objects.create(snapshotContents, { metadata: { name, labels, finalizers: ['example.org/driver'] }, spec }, never);
  };

  const orphans = () =>
    findOrphans({ objects, lease, repository: location.repository, trusted: [], now: new Date(), olderThanMs: 0, signal: never });

  it('are not what a run has that goes on, whatever age they ask for', async () => {
    const work = '20261123T020000Z-daily-k3f9';
    await makeNamespace(objects, 'holdfast');
    await make('of-a-run', 'five', { [volumeNames.workLabel]: work, [volumeNames.roleLabel]: 'snapshot' });
    const found = async () => (await orphans()).orphans.map(({ name }) => name);
    const renewed = (at: number) => ({
      holderIdentity: work,
      leaseDurationSeconds: 20,
      acquireTime: microTime(new Date(at)),
      renewTime: microTime(new Date(at)),
      leaseTransitions: 0,
    });
    const held = await lease(workLeaseName(work)).create(renewed(Date.now()), {});
    expect(await found()).toEqual([]);
    await lease(workLeaseName(work)).replace(held, renewed(Date.now() - 3_600_000), {});
    expect(await found()).toEqual(['of-a-run']);
    await objects.merge(snapshotContents, '', 'of-a-run', { metadata: { finalizers: null } }, never);
    await objects.remove(snapshotContents, '', 'of-a-run', never);
  });

  it('go with what the storage has of them, unless somebody else’s are of the same, and all are listed once for that', async () => {
    const labels = { [volumeNames.workLabel]: 'w', [volumeNames.roleLabel]: 'snapshot' };
    for (const [name, handle] of [
      ['alone', 'one'],
      ['shared', 'two'],
      ['twice-a', 'three'],
      ['twice-b', 'three'],
    ] as const)
      await make(name, handle, labels);
    await make('of-somebody-else', 'two', {});
    let lists = 0;
    const counting: Objects = {
      ...objects,
      list: (kind, where, signal) => {
        if (kind === snapshotContents) lists += 1;
        return objects.list(kind, where, signal);
      },
    };
    const found = await orphans();
    expect(found.orphans.map(({ name }) => name)).toEqual(['alone', 'shared', 'twice-a', 'twice-b']);
    const removed = await removeOrphans(found.orphans, {
      objects: counting,
      frozen: {} as never,
      scaled: {} as never,
      namespace: 'holdfast',
      signal: never,
    });
    expect(removed.every(one => one.removed)).toBe(true);
    expect(lists).toBe(1);
    const left = await objects.list(snapshotContents, {}, never);
    const fate = (name: string) => {
      const one = left.find(content => nameOf(content) === name);
      return [stringAt(one, 'spec', 'deletionPolicy'), stringAt(one, 'metadata', 'deletionTimestamp') !== undefined];
    };
    expect(fate('alone')).toEqual(['Delete', true]);
    // The other one keeps what it is of.
    expect(fate('shared')).toEqual(['Retain', true]);
    expect(fate('of-somebody-else')).toEqual(['Retain', false]);
    expect([fate('twice-a'), fate('twice-b')]).toEqual([
      ['Retain', true],
      ['Delete', true],
    ]);
  });
});
