import type { Lease, LeaseRecord, StoredLease } from '../cluster/lease.ts';
import { asHoldfastError, HoldfastError, isCode } from '../domain/errors.ts';
import { microTime } from '../domain/micro-time.ts';
import type { Runtime } from '../domain/runtime.ts';

export interface HoldOptions {
  readonly lease: Lease;
  /** Of this one holding: two of one process are two. */
  readonly identity: string;
  readonly runtime: Pick<Runtime, 'now' | 'sleep'>;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
  /** How long to wait for others, milliseconds. */
  readonly waitMs: number;
  /** Told of whom it waits for. */
  readonly onWait?: (holder: string) => void;
  readonly signal: AbortSignal;
}

export interface HeldLease {
  /** Aborted when somebody else may hold it. */
  readonly signal: AbortSignal;
  /** Ends the renewals; false where the lease was lost before. */
  stop(): Promise<boolean>;
}

const durationSeconds = 20;
const renewMs = 5_000;
const validMs = 15_000;
const pollMs = 500;

/**
 * Takes a lease that guards one piece of work, waiting for others, and renews it. A holder that says nothing for the lease's duration, by our own clock, is
 * gone. Lighter than an election: a lease that is not there is nobody's, since it is deleted when the work is done. MOVER_FAILED when the time is up.
 */
export async function holdLease(options: HoldOptions): Promise<HeldLease> {
  const { monotonic, runtime, signal } = options;
  const until = monotonic() + options.waitMs;
  const seen = { text: '', since: 0 };
  let waitsFor: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    const sentAt = monotonic();
    const taken = await take(options, seen);
    if (typeof taken !== 'string') return renewing(options, taken, sentAt);
    if (monotonic() >= until) {
      throw new HoldfastError('MOVER_FAILED', `${options.lease.name} is held by ${taken}, which works on the same`);
    }
    if (waitsFor !== taken) options.onWait?.(taken);
    waitsFor = taken;
    await runtime.sleep(pollMs, signal);
  }
}

/** The lease as we wrote it, or who holds it. */
async function take({ lease, identity, runtime, monotonic, signal }: HoldOptions, seen: { text: string; since: number }) {
  const found = await lease.read({ signal });
  const time = microTime(runtime.now());
  const record: LeaseRecord = {
    ...{ holderIdentity: identity, leaseDurationSeconds: durationSeconds, acquireTime: time, renewTime: time },
    leaseTransitions: (found?.record.leaseTransitions ?? -1) + 1,
  };
  try {
    if (found === undefined) return await lease.create(record, { signal });
    const { holderIdentity, leaseDurationSeconds } = found.record;
    if (found.json !== seen.text) Object.assign(seen, { text: found.json, since: monotonic() });
    const silentMs = monotonic() - seen.since;
    if (holderIdentity === '' || silentMs >= Math.max(leaseDurationSeconds, durationSeconds) * 1000) {
      return await lease.replace(found, record, { signal });
    }
    return holderIdentity;
  } catch (thrown) {
    if (isCode(thrown, 'CLUSTER_CONFLICT', 'CLUSTER_NOT_FOUND')) return 'somebody who was quicker';
    throw thrown;
  }
}

function renewing({ lease, runtime, monotonic }: HoldOptions, first: StoredLease, sentAt: number): HeldLease {
  const [lost, done] = [new AbortController(), new AbortController()];
  let stored = first;
  let renewedAt = sentAt;
  const lose = (why: string) => lost.abort(new HoldfastError('MOVER_FAILED', `${lease.name} ${why}: another process may hold it now`));

  const loop = async (): Promise<void> => {
    for (;;) {
      await runtime.sleep(renewMs, done.signal).catch(() => {});
      if (done.signal.aborted) return;
      const at = monotonic();
      try {
        const bound = AbortSignal.any([done.signal, AbortSignal.timeout(renewMs)]);
        stored = await lease.replace(stored, { ...stored.record, renewTime: microTime(runtime.now()) }, { signal: bound });
        renewedAt = at;
      } catch (thrown) {
        if (done.signal.aborted) return;
        if (isCode(thrown, 'CLUSTER_NOT_FOUND') || (isCode(thrown, 'CLUSTER_CONFLICT') && !(await stillOurs()))) return lose('was taken');
        if (monotonic() - renewedAt > validMs) return lose(`could not be renewed (${asHoldfastError(thrown).message})`);
      }
    }
  };

  /** A renewal whose answer was lost looks like somebody else's write. */
  const stillOurs = async (): Promise<boolean> => {
    const found = await lease.read().catch(() => undefined);
    if (found === undefined || found.record.acquireTime !== first.record.acquireTime) return false;
    stored = found;
    return found.record.holderIdentity === first.record.holderIdentity;
  };

  const ended = loop();
  return {
    signal: lost.signal,
    stop: async () => {
      done.abort();
      await ended;
      return !lost.signal.aborted && monotonic() - renewedAt < validMs;
    },
  };
}
