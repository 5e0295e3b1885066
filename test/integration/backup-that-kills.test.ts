import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { PolicyMap, policiesFrom } from '../../src/config/policy-schema.ts';
import { readHome } from '../../src/service/home.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { connect, type OpenLocation } from '../helpers/journey.ts';
import { kindOf } from '../helpers/restore.ts';
import { leapingClock } from '../helpers/serve-clock.ts';
import { beginLife, type Life, openYearRepository, type Trouble } from '../helpers/serve-life.ts';

const start = new Date('2026-03-02T10:00:00Z');
const minuteMs = 60_000;
const hours = 5;
const policies = policiesFrom(
  PolicyMap.parse({
    platform: {
      selection: { includeNamespaces: ['default'], includeKinds: ['configmaps'] },
      tiers: { daily: { schedule: '0 2 * * *', keep: '30d' } },
    },
  }),
);

/** As with memory for less than a backup takes: whoever restarts the process has it begin again. The cluster and the repository are real, the clock is not. */
describe('a backup that ends its process each time at the same point', () => {
  const clock = leapingClock(start);
  const trouble: Trouble = { storeAway: false, clusterAway: false, onPut: () => {} };
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let life: Life;
  let clusterId: string;
  let isDead = false;

  const begin = async () => {
    isDead = false;
    const options = { clock, location, cluster: api, clusterId, policies, trouble, written: new Map<string, Date>() };
    life = await beginLife({ ...options, onMissed: () => {} });
  };
  /** The process is there again within a minute. */
  const restarting = async (until: Date) => {
    while (clock.now() < until) {
      await clock.runUntil(new Date(clock.now().getTime() + minuteMs), now => new Date(now.getTime() + minuteMs));
      if (isDead) await begin();
    }
  };

  beforeAll(async () => {
    cluster = await startCluster({ name: 'kills', controllers: false, unsafeNoFsync: true });
    api = await connect(cluster);
    await api.create(kindOf('configmaps/v1 ConfigMap'), 'default', JSON.stringify({ metadata: { name: 'settings' }, data: { a: 'b' } }));
    clusterId = (await readHome(api, AbortSignal.timeout(60_000))).identity.uid;
    location = await openYearRepository(clock.now);
  });
  afterAll(async () => {
    await life?.stop();
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  it('is tried again at once, then ever more seldom, and at last made', async () => {
    const deaths: Date[] = [];
    trouble.onPut = key => {
      if (isDead || !/^backups\/.*\/resources-/.test(key)) return;
      isDead = true;
      deaths.push(clock.now());
      life.kill();
    };
    await begin();
    await restarting(new Date(start.getTime() + hours * 60 * minuteMs));
    const pauses = deaths.slice(1).map((at, index) => Math.round((at.getTime() - deaths[index]!.getTime()) / minuteMs));
    for (const [index, least] of [0, 5, 10, 20, 40, 60, 60].entries()) {
      expect(pauses[index], `the pause after ${index + 1} deaths`).toBeGreaterThanOrEqual(least);
      // A restart, and steps of a minute.
      expect(pauses[index]).toBeLessThanOrEqual(least + 5);
    }
    trouble.onPut = () => {};
    await restarting(new Date(clock.now().getTime() + 65 * minuteMs));
    expect(life.world.catalog.sets().map(({ phase }) => phase)).toEqual(['Completed']);
    const operations = await life.world.operations.list({ kind: 'backup', limit: 100 });
    expect(operations.map(({ phase }) => phase)).toEqual(['Completed', ...deaths.map(() => 'Interrupted')]);
  }, 600_000);
});
