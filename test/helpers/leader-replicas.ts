import type { LeaseRecord } from '../../src/cluster/lease.ts';
import type { ErrorCode, HoldfastError } from '../../src/domain/errors.ts';
import { type Leadership, type LeaderTimings, runLeaderElection } from '../../src/schedule/leader.ts';
import type { World, WorldProcess } from './leader-world.ts';

export const timings: LeaderTimings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };

/** A candidate asks at least this often, milliseconds. */
export const longestRetry = timings.retryPeriodMs * 1.2 + 10;

/** The lease as a leader leaves it that was stopped in order. */
export const givenBack: LeaseRecord = {
  holderIdentity: '',
  leaseDurationSeconds: 1,
  acquireTime: '2026-11-20T02:00:00.000001Z',
  renewTime: '2026-11-20T02:00:00.000001Z',
  leaseTransitions: 6,
};

/** One process that takes part in the election. */
export interface Replica {
  readonly process: WorldProcess;
  readonly terms: Leadership[];
  /** Codes, one a term that ended. */
  readonly stopped: ErrorCode[];
  /** Holders, as they were seen. */
  readonly seen: string[];
  readonly troubles: ErrorCode[];
  /** How the election ended. */
  readonly ended: Promise<'ended' | HoldfastError>;
  /** May it write at this moment? */
  leads(): boolean;
  /** SIGTERM. */
  stop(): void;
}

export interface ReplicaOptions {
  readonly identity?: string;
  readonly seed?: number;
  readonly timings?: LeaderTimings;
  /** The work of a term; waits for its end unless told. */
  readonly work?: (leadership: Leadership, process: WorldProcess) => Promise<void>;
}

export function startReplica(world: World, name: string, options: ReplicaOptions = {}): Replica {
  const process = world.process(name, options.seed ?? name.charCodeAt(0));
  const stop = new AbortController();
  const [terms, stopped, seen, troubles]: [Leadership[], ErrorCode[], string[], ErrorCode[]] = [[], [], [], []];
  const election = runLeaderElection({
    lease: process.lease,
    identity: options.identity ?? name,
    timings: options.timings ?? timings,
    runtime: process.runtime,
    monotonic: process.monotonic,
    signal: stop.signal,
    onStartedLeading: async leadership => {
      terms.push(leadership);
      await (options.work ?? untilItsEnd)(leadership, process);
    },
    onStoppedLeading: why => stopped.push(why.code),
    onNewLeader: holder => seen.push(holder),
    onTrouble: error => troubles.push(error.code),
  });
  return {
    ...{ process, terms, stopped, seen, troubles },
    ended: election.then(
      () => 'ended' as const,
      (thrown: HoldfastError) => thrown,
    ),
    leads: () => {
      try {
        terms.at(-1)?.fence.check();
        return terms.length > 0;
      } catch {
        return false;
      }
    },
    stop: () => stop.abort(),
  };
}

/** Two replicas; the first leads. */
export async function startPair(world: World, options: ReplicaOptions = {}): Promise<{ first: Replica; second: Replica }> {
  const first = startReplica(world, 'first', options);
  await world.advance(100);
  const second = startReplica(world, 'second');
  await world.advance(5_000);
  if (!first.leads() || second.leads()) throw new Error('the first does not lead, or the second does');
  return { first, second };
}

export function untilItsEnd({ signal }: Leadership): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
