import { expect } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { createLease, type Lease } from '../../src/cluster/lease.ts';
import { listSets } from '../../src/repository/catalog.ts';
import { claimKey } from '../../src/repository/run-claim.ts';
import { verifyRepository } from '../../src/repository/verify.ts';
import type { LeaderTimings } from '../../src/schedule/leader.ts';
import { waitFor } from '../cluster/wait.ts';
import { openTestRepository } from './journey.ts';
import { type ChildReplica, startChild } from './leader-children.ts';
import { firesOf, type ReplicaSetup } from './leader-program.ts';

/** Short, and yet longer than a dozen processes on two cores keep one of them from renewing. */
export const timings: LeaderTimings = { leaseDurationMs: 7_000, renewDeadlineMs: 6_000, retryPeriodMs: 500 };
/** For anything that is waited for: a machine with little to spare. */
export const patienceMs = 90_000;

/** Real replicas that compete for a lease of their own, and a repository in which they take a set for every minute of a fast clock. */
export interface Election extends AsyncDisposable {
  readonly lease: Lease;
  /** In the namespace `default`. */
  readonly leaseName: string;
  readonly children: readonly ChildReplica[];
  /** The first leads, and the second has seen that it does. */
  pair(stop?: ReplicaSetup['stop']): Promise<{ readonly first: ChildReplica; readonly second: ChildReplica }>;
  /** Sets by the claim of the run that they stand for. */
  sets(): Promise<Map<string, string[]>>;
  /** Waits until so many more minutes than now have their sets, by whomever. */
  goesOn(minutes?: number): Promise<void>;
  /** Every minute up to the last one has exactly one set for each of its fires, one for both where there are two, and all are whole. */
  expectOneSetEach(): Promise<void>;
}

export interface ElectionOptions {
  readonly api: ClusterApi;
  readonly kubeconfig: string;
  /** Name of its lease, in the namespace `default`. */
  readonly leaseName: string;
  /** Between two minutes of the fast clock. */
  readonly everyMs: number;
}

export async function openElection({ api, kubeconfig, leaseName, everyMs }: ElectionOptions): Promise<Election> {
  const location = await openTestRepository();
  const firstAt = Date.now();
  const children: ChildReplica[] = [];

  function replica(identity: string, stop?: ReplicaSetup['stop']): ChildReplica {
    const child = startChild({
      ...{ identity, timings, leaseName, firstAt, everyMs, kubeconfig, location: location.dir },
      ...{ recipients: location.recipients, signingKey: location.signingKey },
      ...(stop === undefined ? {} : { stop }),
    });
    children.push(child);
    return child;
  }

  async function sets(): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    for await (const set of listSets(location.repository, { trusted: [location.signingPublicKey] })) {
      if (set.phase === 'Unreadable') throw new Error(set.error.message);
      for (const fire of set.fires) found.set(claimKey(fire), [...(found.get(claimKey(fire)) ?? []), set.id]);
    }
    return found;
  }

  return {
    lease: createLease(api, { namespace: 'default', name: leaseName }),
    ...{ leaseName, children, sets },
    pair: async stop => {
      const first = replica('first', stop);
      await first.said('backup', patienceMs, 0);
      const second = replica('second');
      expect((await second.said('holder', patienceMs, 0)).identity).toBe('first');
      return { first, second };
    },
    goesOn: async (minutes = 3) => {
      const { size } = await sets();
      await waitFor('further sets', async () => (await sets()).size >= size + minutes, { timeoutMs: patienceMs, intervalMs: 100 });
    },
    expectOneSetEach: async () => {
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
    },
    [Symbol.asyncDispose]: async () => {
      for (const child of children) child.signal('SIGKILL');
      await Promise.all(children.map(child => child.exited));
      await location.remove();
    },
  };
}
