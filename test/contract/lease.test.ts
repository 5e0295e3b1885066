import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { fencedCluster } from '../../src/cluster/fenced-cluster.ts';
import { createLease, type Lease, type LeaseRecord } from '../../src/cluster/lease.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { configMaps, connectTo, kindOf } from './cluster-api-kinds.ts';

const leases = kindOf('coordination.k8s.io', 'v1', 'leases', 'Lease', true);
const name = 'holdfast';

const record: LeaseRecord = {
  holderIdentity: 'replica-1',
  leaseDurationSeconds: 15,
  acquireTime: '2026-11-23T02:00:00.123001Z',
  renewTime: '2026-11-23T02:00:02.456002Z',
  leaseTransitions: 3,
};

describe('on a real API server', () => {
  const cluster = withCluster({ controllers: false });
  let api: ClusterApi;
  let lease: Lease;

  beforeAll(async () => {
    api = await connectTo(cluster());
    lease = createLease(api, { namespace: 'default', name, labels: { 'app.kubernetes.io/name': 'holdfast' } });
  });
  afterAll(() => api?.close());
  beforeEach(() => api.delete(leases, 'default', name));

  const stored = async () => JSON.parse((await api.get(leases, 'default', name)) ?? 'null');

  describe('a lease', () => {
    it('is read as it was created, to the microsecond', async () => {
      expect(await lease.read()).toBeUndefined();
      expect((await lease.create(record)).record).toEqual(record);
      expect((await lease.read())?.record).toEqual(record);
      expect(await stored()).toMatchObject({ metadata: { labels: { 'app.kubernetes.io/name': 'holdfast' } }, spec: record });
    });

    it('is created by one only', async () => {
      const other = { ...record, holderIdentity: 'replica-2' };
      const results = await Promise.allSettled([lease.create(record), lease.create(other)]);
      expect(results.map(result => result.status).sort()).toEqual(['fulfilled', 'rejected']);
      const refused = results.find(result => result.status === 'rejected');
      expect(refused?.reason).toMatchObject({ code: 'CLUSTER_CONFLICT' });
    });

    it('is replaced only as it was read', async () => {
      const created = await lease.create(record);
      const renewed = { ...record, renewTime: '2026-11-23T02:00:04.000003Z' };
      const replaced = await lease.replace(created, renewed);
      expect(replaced.record).toEqual(renewed);
      await expect(lease.replace(created, { ...record, holderIdentity: 'replica-2' })).rejects.toMatchObject({ code: 'CLUSTER_CONFLICT' });
      expect((await lease.replace(replaced, record)).record).toEqual(record);
    });

    it('that was deleted, or deleted and made again, is not replaced', async () => {
      const created = await lease.create(record);
      await api.delete(leases, 'default', name);
      await expect(lease.replace(created, record)).rejects.toMatchObject({ code: expect.stringMatching(/^CLUSTER_(NOT_FOUND|CONFLICT)$/) });
      await lease.create({ ...record, holderIdentity: 'replica-2' });
      await expect(lease.replace(created, record)).rejects.toMatchObject({ code: 'CLUSTER_CONFLICT' });
    });

    it('given back names nobody', async () => {
      const created = await lease.create(record);
      const free = { ...record, holderIdentity: '', leaseDurationSeconds: 1 };
      expect((await lease.replace(created, free)).record).toEqual(free);
      expect(await stored()).not.toHaveProperty('spec.holderIdentity');
    });

    it('keeps what others wrote on it', async () => {
      await lease.create(record);
      const annotations = { 'example.org/note': 'mind the gap' };
      await api.patch(leases, 'default', name, { type: 'merge', body: JSON.stringify({ metadata: { annotations } }) });
      await lease.replace((await lease.read())!, { ...record, leaseTransitions: 4 });
      expect(await stored()).toMatchObject({ metadata: { annotations }, spec: { leaseTransitions: 4 } });
    });

    it('that somebody made empty says nothing', async () => {
      await api.create(leases, 'default', JSON.stringify({ metadata: { name } }));
      const empty = { holderIdentity: '', leaseDurationSeconds: 0, acquireTime: '', renewTime: '', leaseTransitions: 0 };
      const found = await lease.read();
      expect(found?.record).toEqual(empty);
      expect((await lease.replace(found!, record)).record).toEqual(record);
    });
  });

  it('a fenced cluster reads, and writes nothing once the fence is closed', async () => {
    let open = true;
    const fence = {
      check: () => {
        if (!open) throw new HoldfastError('NOT_LEADER', 'held by another');
      },
    };
    const fenced = fencedCluster(api, fence);
    const body = JSON.stringify({ metadata: { name: 'fenced' }, data: { a: '1' } });
    await fenced.create(configMaps, 'default', body);
    open = false;
    const before = await fenced.get(configMaps, 'default', 'fenced');
    for (const write of [
      () => fenced.create(configMaps, 'default', JSON.stringify({ metadata: { name: 'other' } })),
      () => fenced.update(configMaps, 'default', 'fenced', body),
      () => fenced.patch(configMaps, 'default', 'fenced', { type: 'merge', body: '{"data":{"a":"2"}}' }),
      () => fenced.delete(configMaps, 'default', 'fenced'),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'NOT_LEADER' });
    }
    expect(await api.get(configMaps, 'default', 'fenced')).toBe(before);
    expect(await api.get(configMaps, 'default', 'other')).toBeUndefined();
    open = true;
    await fenced.patch(configMaps, 'default', 'fenced', { type: 'merge', body: '{"data":{"a":"2"}}' });
    await fenced.delete(configMaps, 'default', 'fenced');
    expect(await api.get(configMaps, 'default', 'fenced')).toBeUndefined();
  });
});
