import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { operationsPrefix } from '../../src/repository/operation-records.ts';
import { readHome } from '../../src/service/home.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { wrapStore } from '../contract/repository-fixture.ts';
import { connect, type OpenLocation } from '../helpers/journey.ts';
import { leapingClock } from '../helpers/serve-clock.ts';
import { beginLife, type Life, openYearRepository } from '../helpers/serve-life.ts';

const start = new Date('2026-03-02T10:00:00Z');
const dayMs = 86_400_000;

/** Records are kept for 90 days. The cluster and the repository are real, the clock is not. */
describe('a service that cannot delete the records of old operations', () => {
  const clock = leapingClock(start);
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let life: Life;
  let tries = 0;
  let isStuck = false;

  const retentionsOf = async (day: string) =>
    (await life.world.operations.list({ kind: 'retention', limit: 1_000 })).filter(({ request }) => request.createdAt.startsWith(day));

  beforeAll(async () => {
    cluster = await startCluster({ name: 'house', controllers: false, unsafeNoFsync: true });
    api = await connect(cluster);
    const opened = await openYearRepository(clock.now);
    const { store } = opened.repository;
    const remove: typeof store.delete = async (key, ...rest) => {
      if (!isStuck || !key.startsWith(operationsPrefix)) return store.delete(key, ...rest);
      tries += 1;
      throw new HoldfastError('STORE_ERROR', 'records may not be deleted');
    };
    location = { ...opened, repository: { ...opened.repository, store: wrapStore(store, { delete: remove }) } };
    const { identity } = await readHome(api, AbortSignal.timeout(60_000));
    const trouble = { storeAway: false, clusterAway: false, onPut: () => {} };
    life = await beginLife({
      ...{ clock, location, cluster: api, clusterId: identity.uid, policies: [], trouble, written: new Map<string, Date>() },
      onMissed: () => {},
    });
  });
  afterAll(async () => {
    await life?.stop();
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  it('tries that again until it can, and runs retention once a day all the same', async () => {
    await clock.runUntil(new Date('2026-06-02T04:00:00Z'), now => new Date(now.getTime() + dayMs / 2));
    isStuck = true;
    await clock.runUntil(new Date('2026-06-02T06:00:00Z'), now => new Date(now.getTime() + 60_000));
    expect(tries).toBeGreaterThan(10);
    expect(await retentionsOf('2026-06-02')).toHaveLength(1);
    await clock.runUntil(new Date('2026-06-03T06:00:00Z'), now => new Date(now.getTime() + 10 * 60_000));
    expect(await retentionsOf('2026-06-03')).toHaveLength(1);
    const [oldest] = (await life.world.operations.list({ limit: 1_000 })).slice(-1);
    isStuck = false;
    await clock.runUntil(new Date('2026-06-03T06:05:00Z'), now => new Date(now.getTime() + 60_000));
    expect(await life.world.operations.get(oldest!.request.id)).toBeUndefined();
    expect(await retentionsOf('2026-06-02')).toHaveLength(1);
    expect(await retentionsOf('2026-06-03')).toHaveLength(1);
  }, 600_000);
});
