import { runBackup } from '../../src/backup/run.ts';
import { createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import { createLease } from '../../src/cluster/lease.ts';
import { asHoldfastError } from '../../src/domain/errors.ts';
import type { Fence } from '../../src/domain/fence.ts';
import type { Fire } from '../../src/domain/policy.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import { listSets } from '../../src/repository/catalog.ts';
import { openRepository, type Repository } from '../../src/repository/repository.ts';
import { commitClaimed, finishClaims } from '../../src/repository/run-claim.ts';
import { type Leadership, type LeaderTimings, runLeaderElection } from '../../src/schedule/leader.ts';
import { defaultRetryPolicy } from '../../src/storage/attempt.ts';
import { fencedStore } from '../../src/storage/fenced-store.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { withRetry } from '../../src/storage/retry.ts';
import { testRuntime } from './runtime.ts';

// One replica of a service: takes part in the election and, while it leads, takes a set for every minute of a clock that runs fast. Says on its
// standard output, a JSON line each, what happens.

/** Where a replica stops itself as SIGSTOP would: after the fence was asked, right before the write (or the read). */
export const stopPoints = ['reading', 'storing', 'claiming', 'claiming the second', 'committing'] as const;
export type StopPoint = (typeof stopPoints)[number];

export interface ReplicaSetup {
  readonly identity: string;
  readonly kubeconfig: string;
  readonly timings: LeaderTimings;
  /** Name of the lease, in the namespace `default`. */
  readonly leaseName: string;
  /** Folder of the repository. */
  readonly location: string;
  readonly recipients: readonly string[];
  readonly signingKey: string;
  /** When the first fire is due, milliseconds of the epoch, and how far apart they are. */
  readonly firstAt: number;
  readonly everyMs: number;
  /** Stop once, at the first run of two fires after so many fires. */
  readonly stop?: { readonly at: StopPoint; readonly afterFires: number };
}

export type ReplicaEvent =
  | { readonly event: 'holder'; readonly identity: string }
  | { readonly event: 'leads'; readonly transitions: number }
  | { readonly event: 'ended'; readonly code: string }
  | { readonly event: 'working' | 'stopping'; readonly fire: number }
  /** Continued: what the fence says before anything else has run. */
  | { readonly event: 'woke'; readonly fence: 'open' | 'closed' }
  | { readonly event: 'backup'; readonly fire: number; readonly id?: string; readonly code?: string };

const policy = 'platform';
const clockStart = Date.parse('2026-01-01T00:00:00Z');
const minute = 60_000;

/** Every minute one, and every third minute two. */
export function firesOf(n: number): Fire[] {
  const at = new Date(clockStart + n * minute).toISOString();
  return [{ policy, tier: 'minutely', at }, ...(n % 3 === 2 ? [{ policy, tier: 'often', at }] : [])];
}

export function numberOf({ at }: Fire): number {
  return (Date.parse(at) - clockStart) / minute;
}

function say(event: ReplicaEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Stops this process by the kernel's hand when it comes to the point. */
function createStopper({ stop }: ReplicaSetup) {
  let working = -1;
  let armed = stop !== undefined;
  let claims = 0;
  let fence: Fence | undefined;
  const claimPoint = (nth: number): StopPoint => (nth === 1 ? 'claiming' : 'claiming the second');
  const reach = (point: StopPoint): boolean => {
    if (!armed || stop?.at !== point || working < stop.afterFires || firesOf(working).length < 2) return false;
    armed = false;
    say({ event: 'stopping', fire: working });
    process.kill(process.pid, 'SIGSTOP');
    say({ event: 'woke', fence: isOpen(fence) ? 'open' : 'closed' });
    return true;
  };
  return {
    working: (fire: number): void => {
      working = fire;
      claims = 0;
    },
    store: (store: ObjectStore, term: Fence): ObjectStore => ({
      ...store,
      put: async (key, body, options) => {
        fence = term;
        const point = key.startsWith('schedule/') ? claimPoint(++claims) : key.endsWith('/manifest.json') ? 'committing' : 'storing';
        // What was stopped on its way to the store cannot be called back.
        return reach(point) ? store.put(key, body) : store.put(key, body, options);
      },
    }),
    cluster: (cluster: ClusterApi): ClusterApi => ({
      ...cluster,
      list: async (...call) => {
        reach('reading');
        return cluster.list(...call);
      },
    }),
  };
}

function isOpen(fence: Fence | undefined): boolean {
  try {
    fence?.check();
    return true;
  } catch {
    return false;
  }
}

async function main(setup: ReplicaSetup): Promise<void> {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  process.stdin.once('end', () => process.exit(1)).resume(); // never outlives its test
  const connection = await loadCluster({ kubeconfig: setup.kubeconfig, environment: {} }, testRuntime);
  const cluster = createClusterApi(connection, { runtime: testRuntime });
  const stopper = createStopper(setup);
  await runLeaderElection({
    lease: createLease(cluster, { namespace: 'default', name: setup.leaseName }),
    identity: setup.identity,
    timings: setup.timings,
    runtime: testRuntime,
    monotonic: () => performance.now(),
    signal: stop.signal,
    onStartedLeading: async leadership => {
      say({ event: 'leads', transitions: leadership.transitions });
      const raw = stopper.store(createFileStore(setup.location), leadership.fence);
      const store = withRetry(fencedStore(raw, leadership.fence), defaultRetryPolicy, testRuntime);
      await protect(setup, await openRepository(store), stopper.cluster(cluster), leadership, stopper.working);
    },
    onNewLeader: holder => say({ event: 'holder', identity: holder }),
    onStoppedLeading: why => say({ event: 'ended', code: why.code }),
  });
  await cluster.close();
  process.stdin.destroy();
}

/** The work of a term: one backup for each minute that has none. */
async function protect(
  setup: ReplicaSetup,
  repository: Repository,
  cluster: ClusterApi,
  { signal }: Leadership,
  working: (fire: number) => void,
): Promise<void> {
  const { recipients, signingKey } = setup;
  await finishClaims(repository, { since: new Date(Date.now() - 86_400_000), signingKey, signal });
  while (!signal.aborted) {
    const fire = await nextFire(repository, signal);
    if (Date.now() < setup.firstAt + fire * setup.everyMs) {
      await testRuntime.sleep(20, signal);
      continue;
    }
    working(fire);
    say({ event: 'working', fire });
    try {
      const outcome = await runBackup({
        ...{ repository, cluster, recipients, signingKey, signal },
        selection: { ...everything, includeKinds: ['configmaps'] },
        tier: 'minutely',
        sealIndex: false,
        runtime: testRuntime,
        progress: noProgress,
        producerVersion: '0.0.0-test',
        fires: firesOf(fire),
        commit: (manifest, bytes) => commitClaimed(repository, manifest, bytes, { signingKey, signal }),
      });
      say({ event: 'backup', fire, ...(outcome.phase === 'Failed' ? { code: outcome.error.code } : { id: outcome.manifest.id }) });
    } catch (thrown) {
      say({ event: 'backup', fire, code: asHoldfastError(thrown).code });
      throw thrown;
    }
  }
}

async function nextFire(repository: Repository, signal: AbortSignal): Promise<number> {
  let next = 0;
  for await (const set of listSets(repository, { signal })) {
    if (set.phase !== 'Unreadable') next = Math.max(next, ...set.fires.map(fire => numberOf(fire) + 1));
  }
  return next;
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '') as ReplicaSetup);
