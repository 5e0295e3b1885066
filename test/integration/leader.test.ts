import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { createLease } from '../../src/cluster/lease.ts';
import { listSets } from '../../src/repository/catalog.ts';
import { claimKey } from '../../src/repository/run-claim.ts';
import { verifyRepository } from '../../src/repository/verify.ts';
import type { LeaderTimings } from '../../src/schedule/leader.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { connect, type OpenLocation, openTestRepository } from '../helpers/journey.ts';
import { type ChildReplica, startChild } from '../helpers/leader-children.ts';
import { firesOf, type ReplicaSetup, type StopPoint, stopPoints } from '../helpers/leader-program.ts';
import { kindOf } from '../helpers/restore.ts';

const timings: LeaderTimings = { leaseDurationMs: 4_000, renewDeadlineMs: 3_000, retryPeriodMs: 500 };
/** Beyond what the rules take: a machine with little to spare. */
const slackMs = 5_000;
const patienceMs = 30_000;

const leases = kindOf('leases.coordination.k8s.io/v1 Lease');
const configmaps = kindOf('configmaps/v1 ConfigMap');

describe('two replicas that take a set for every minute', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let firstAt: number;
  let children: ChildReplica[];

  beforeAll(async () => {
    cluster = await startCluster({ name: 'leader' });
    api = await connect(cluster);
    for (const name of ['settings', 'limits']) {
      await api.create(configmaps, 'default', JSON.stringify({ metadata: { name }, data: { text: name.repeat(500) } }));
    }
  });
  beforeEach(async () => {
    location = await openTestRepository();
    firstAt = Date.now();
    children = [];
    await api.delete(leases, 'default', 'holdfast');
  });
  afterEach(async () => {
    for (const child of children) child.signal('SIGKILL');
    await Promise.all(children.map(child => child.exited));
    await location.remove();
  });
  afterAll(async () => {
    await api?.close();
    await cluster?.destroy();
  });

  function replica(identity: string, stop?: ReplicaSetup['stop']): ChildReplica {
    const child = startChild({
      ...{ identity, timings, firstAt, everyMs: 300, kubeconfig: cluster.kubeconfig, location: location.dir },
      ...{ recipients: location.recipients, signingKey: location.signingKey },
      ...(stop === undefined ? {} : { stop }),
    });
    children.push(child);
    return child;
  }

  /** The first leads, and the second has seen that it does. */
  async function pair(stop?: ReplicaSetup['stop']) {
    const first = replica('first', stop);
    await first.said('backup', patienceMs, 0);
    const second = replica('second');
    expect((await second.said('holder', patienceMs, 0)).identity).toBe('first');
    return { first, second };
  }

  /** Sets by the claim of the run that they stand for. */
  async function sets(): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    for await (const set of listSets(location.repository, { trusted: [location.signingPublicKey] })) {
      if (set.phase === 'Unreadable') throw new Error(set.error.message);
      for (const fire of set.fires) found.set(claimKey(fire), [...(found.get(claimKey(fire)) ?? []), set.id]);
    }
    return found;
  }

  /** Waits until so many more minutes than now have their sets, by whomever. */
  async function goesOn(minutes = 3): Promise<void> {
    const { size } = await sets();
    await waitFor('further sets', async () => (await sets()).size >= size + minutes, { timeoutMs: patienceMs, intervalMs: 100 });
  }

  /** Every minute up to the last one has exactly one set for each of its fires, one for both where there are two, and all are whole. */
  async function expectOneSetEach(): Promise<void> {
    const found = await sets();
    const minutes = new Set([...found.keys()].map(key => /[^/]+$/.exec(key)![0])).size;
    expect([...found].filter(([, ids]) => ids.length !== 1)).toEqual([]);
    for (let n = 0; n < minutes; n++) {
      const ids = firesOf(n).map(fire => found.get(claimKey(fire))?.join());
      expect(ids[0], `minute ${n}`).toBeDefined();
      expect(new Set(ids).size, `minute ${n}`).toBe(1);
    }
    const report = await verifyRepository(location.repository, {
      ...{ identities: [location.identity], trusted: [location.signingPublicKey] },
      ...{ signal: AbortSignal.timeout(patienceMs), progress: () => {} },
    });
    expect(report.ok).toBe(true);
  }

  it('one acts and the other does nothing', async () => {
    const { second } = await pair();
    await goesOn(10);
    expect(second.events).toEqual([{ event: 'holder', identity: 'first' }]);
    await expectOneSetEach();
  });

  it('after SIGKILL of the leader the other takes over within the lease duration and a little', async () => {
    const { first, second } = await pair();
    await goesOn();
    const killedAt = performance.now();
    first.signal('SIGKILL');
    await second.said('leads', patienceMs, 0);
    expect(performance.now() - killedAt).toBeLessThan(timings.leaseDurationMs + 2 * timings.retryPeriodMs + slackMs);
    await goesOn();
    await expectOneSetEach();
  });

  it('after SIGTERM of the leader the other takes over at once: the lease is given back', async () => {
    const { first, second } = await pair();
    await goesOn();
    first.signal('SIGTERM');
    expect(await first.exited).toBe(0);
    const { record } = (await createLease(api, { namespace: 'default', name: 'holdfast' }).read())!;
    const exitedAt = performance.now();
    await second.said('leads', patienceMs, 0);
    // Either nobody held it, or the second did already.
    expect(['', 'second']).toContain(record.holderIdentity);
    expect(performance.now() - exitedAt).toBeLessThan(timings.leaseDurationMs);
    await goesOn();
    await expectOneSetEach();
  });

  it.each(stopPoints)('after SIGSTOP past the lease in the middle of a backup (%s), then SIGCONT', async at => {
    const { first, second } = await pair({ at, afterFires: 3 });
    const { fire } = await first.said('stopping', patienceMs, 0);
    await first.halted();
    const mark = first.events.length;
    await second.said('leads', patienceMs, 0);
    await goesOn();
    first.signal('SIGCONT');
    expect(await first.said('woke', patienceMs, mark)).toEqual({ event: 'woke', fence: 'closed' });
    const outcome = await first.said('backup', patienceMs, mark);
    expect(outcome.fire).toBe(fire);
    const [owner] = (await sets()).get(claimKey(firesOf(fire)[0]!)) ?? [];
    // Whoever had the claim has the run, whoever brought it out.
    const claimed = (['claiming the second', 'committing'] satisfies StopPoint[] as StopPoint[]).includes(at);
    if (outcome.id === undefined) expect(['NOT_LEADER', 'BACKUP_SUPERSEDED']).toContain(outcome.code);
    else expect([claimed, outcome.id]).toEqual([true, owner]);
    expect(second.events.some(one => one.event === 'backup' && one.id === owner)).toBe(!claimed);
    expect((await first.said('ended', patienceMs, mark)).code).toBe('NOT_LEADER');
    await goesOn();
    await expectOneSetEach();
  });

  it.each(['before the other leads', 'while the other is at work'])('after SIGSTOP right before the claim, and SIGCONT %s', async when => {
    const { first, second } = await pair({ at: 'claiming', afterFires: 3 });
    await first.said('stopping', patienceMs, 0);
    await first.halted();
    if (when !== 'before the other leads') await second.said('working', patienceMs, 0);
    first.signal('SIGCONT');
    await goesOn(6);
    await expectOneSetEach();
  });

  it('after SIGSTOP while nothing is to be done, time and again', async () => {
    const pairs = await pair();
    let [leader, other] = [pairs.first, pairs.second];
    for (let round = 0; round < 3; round++) {
      await goesOn(2);
      const mark = leader.events.length;
      const from = other.events.length;
      leader.signal('SIGSTOP');
      await other.said('leads', patienceMs, from);
      leader.signal('SIGCONT');
      expect((await leader.said('ended', patienceMs, mark)).code).toBe('NOT_LEADER');
      [leader, other] = [other, leader];
    }
    await goesOn();
    await expectOneSetEach();
  });

  it('while the API server is away for longer than the lease nobody leads, and afterwards one does', async () => {
    const { first } = await pair();
    await goesOn();
    const from = first.events.length;
    const before = children.map(child => child.events.length);
    await cluster.stopApiServer();
    expect((await first.said('ended', patienceMs, from)).code).toBe('NOT_LEADER');
    const started = await sets();
    expect(children.flatMap((child, i) => child.events.slice(before[i]).filter(one => one.event === 'leads'))).toEqual([]);
    await cluster.startApiServer();
    await waitFor('one leads', async () => children.some((child, i) => child.events.slice(before[i]).some(one => one.event === 'leads')), {
      timeoutMs: patienceMs,
    });
    await goesOn();
    expect((await sets()).size).toBeGreaterThan(started.size);
    await expectOneSetEach();
  });

  it('a lease that is deleted by hand changes nothing: its leader makes it again', async () => {
    const { first, second } = await pair();
    for (let round = 0; round < 5; round++) {
      await goesOn(1);
      await api.delete(leases, 'default', 'holdfast');
      const again = async () => (await api.get(leases, 'default', 'holdfast')) !== undefined;
      await waitFor('the lease is there again', again, { timeoutMs: patienceMs, intervalMs: 20 });
    }
    await goesOn();
    expect(first.events.filter(one => one.event === 'leads').length).toBe(1);
    expect(second.events).toEqual([{ event: 'holder', identity: 'first' }]);
    await expectOneSetEach();
  });
});
