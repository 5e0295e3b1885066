import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { ServiceConfig } from '../config/service.ts';
import type { HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import type { Runtime } from '../domain/runtime.ts';

export interface Leading {
  /** Aborted when the term ends. */
  readonly signal: AbortSignal;
  readonly fence: Fence;
}

export interface ElectionParts {
  readonly identity: string;
  readonly cluster: ClusterApi;
  readonly runtime: Runtime;
  readonly lead: (leading: Leading) => Promise<void>;
  readonly onTrouble: (error: HoldfastError) => void;
  readonly onNewLeader: (holder: string) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Without an election this process leads until the signal aborts. */
export async function elect(settings: ServiceConfig['leaderElection'], parts: ElectionParts): Promise<void> {
  const { identity, cluster, runtime, lead, onTrouble, onNewLeader, signal } = parts;
  const { enabled, namespace, name, ...timings } = settings;
  if (!enabled) return lead({ signal, fence: { check: () => {} } });
  const [{ createLease }, { runLeaderElection }] = await Promise.all([import('../cluster/lease.ts'), import('../schedule/leader.ts')]);
  await runLeaderElection({
    ...{ runtime, signal, onTrouble, onNewLeader, identity, timings },
    lease: createLease(cluster, { namespace, name, labels: { 'app.kubernetes.io/name': 'holdfast' } }),
    monotonic: () => performance.now(),
    onStartedLeading: lead,
  });
}
