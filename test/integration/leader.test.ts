import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { claimKey } from '../../src/repository/run-claim.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { type Election, openElection, patienceMs, timings } from '../helpers/election.ts';
import { connect } from '../helpers/journey.ts';
import { firesOf, type StopPoint, stopPoints } from '../helpers/leader-program.ts';
import { kindOf } from '../helpers/restore.ts';

const leases = kindOf('leases.coordination.k8s.io/v1 Lease');
const configmaps = kindOf('configmaps/v1 ConfigMap');

describe('two replicas that take a set for every minute', { timeout: 400_000 }, () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let elections = 0;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'leader', unsafeNoFsync: true });
    api = await connect(cluster);
    for (const name of ['settings', 'limits']) {
      await api.create(configmaps, 'default', JSON.stringify({ metadata: { name }, data: { text: name.repeat(500) } }));
    }
  });
  afterAll(async () => {
    await api?.close();
    await cluster?.destroy();
  });

  /** Of the fast clock, where three elections go on at once. */
  const beside = 1_000;
  const open = (everyMs: number): Promise<Election> =>
    openElection({ api, kubeconfig: cluster.kubeconfig, leaseName: `holdfast-${elections++}`, everyMs });

  const stopped = async (at: StopPoint): Promise<void> => {
    await using election = await open(beside);
    const { expectOneSetEach, goesOn, pair, sets } = election;
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
  };

  // Three at a time: they wait for leases to run out, and take backups meanwhile. What has no concurrent neighbour wants an undisturbed leader,
  // or takes away what the others need.
  it.concurrent.each(stopPoints.slice(0, 3))('after SIGSTOP past the lease in the middle of a backup (%s), then SIGCONT', stopped);

  it('after SIGKILL of the leader the other takes over when the lease has run out, and not before', async () => {
    await using election = await open(300);
    const { expectOneSetEach, goesOn, lease, pair } = election;
    const { first, second } = await pair();
    await goesOn();
    const before = (await lease.read())!.record;
    const [leader, other] = before.holderIdentity === 'first' ? [first, second] : [second, first];
    const from = other.events.length;
    leader.signal('SIGKILL');
    await other.said('leads', patienceMs, from);
    const { record } = (await lease.read())!;
    expect(record.holderIdentity).toBe(other.identity);
    // By the lease itself: how soon is a matter of the machine.
    expect(Date.parse(record.acquireTime) - Date.parse(before.renewTime)).toBeGreaterThanOrEqual(timings.leaseDurationMs);
    await goesOn();
    await expectOneSetEach();
  });

  it.concurrent.each(stopPoints.slice(3))('after SIGSTOP past the lease in the middle of a backup (%s), then SIGCONT', stopped);

  it.concurrent('one acts and the other does nothing', async () => {
    await using election = await open(beside);
    const { expectOneSetEach, goesOn, pair } = election;
    const { second } = await pair();
    await goesOn(10);
    expect(second.events).toEqual([{ event: 'holder', identity: 'first' }]);
    await expectOneSetEach();
  });

  it('after SIGTERM of the leader the other need not wait: the lease is given back', async () => {
    await using election = await open(300);
    const { expectOneSetEach, goesOn, lease, pair } = election;
    const { first, second } = await pair();
    await goesOn();
    first.signal('SIGTERM');
    expect(await first.exited).toBe(0);
    const { record } = (await lease.read())!;
    // Either nobody holds it, or the second does already.
    expect(['', 'second']).toContain(record.holderIdentity);
    await second.said('leads', patienceMs, 0);
    await goesOn();
    await expectOneSetEach();
  });

  it.concurrent.each(['before the other leads', 'while the other is at work'])(
    'after SIGSTOP right before the claim, and SIGCONT %s',
    async when => {
      await using election = await open(beside);
      const { expectOneSetEach, goesOn, pair } = election;
      const { first, second } = await pair({ at: 'claiming', afterFires: 3 });
      await first.said('stopping', patienceMs, 0);
      await first.halted();
      if (when !== 'before the other leads') await second.said('working', patienceMs, 0);
      first.signal('SIGCONT');
      await goesOn(6);
      await expectOneSetEach();
    },
  );

  it.concurrent('after SIGSTOP while nothing is to be done, time and again', async () => {
    await using election = await open(beside);
    const { expectOneSetEach, goesOn, pair } = election;
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
    await using election = await open(300);
    const { children, expectOneSetEach, goesOn, pair, sets } = election;
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
    await using election = await open(300);
    const { expectOneSetEach, goesOn, leaseName, pair } = election;
    const { first, second } = await pair();
    for (let round = 0; round < 5; round++) {
      await goesOn(1);
      await api.delete(leases, 'default', leaseName);
      const again = async () => (await api.get(leases, 'default', leaseName)) !== undefined;
      await waitFor('the lease is there again', again, { timeoutMs: patienceMs, intervalMs: 20 });
    }
    await goesOn();
    expect(first.events.filter(one => one.event === 'leads').length).toBe(1);
    expect(second.events).toEqual([{ event: 'holder', identity: 'first' }]);
    await expectOneSetEach();
  });
});
