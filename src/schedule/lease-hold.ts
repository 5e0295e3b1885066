import type { Lease, LeaseRecord, StoredLease } from '../cluster/lease.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';

/** A lease that is held, as of one write that succeeded. */
export interface Held {
  /** When that write was sent, by the monotonic clock, milliseconds. */
  readonly sentAt: number;
  /** The number of the term. */
  readonly transitions: number;
}

export interface LeaseHoldOptions {
  readonly lease: Lease;
  readonly identity: string;
  readonly leaseDurationMs: number;
  /** How long a holder may act on after its last renewal, milliseconds. */
  readonly validMs: number;
  readonly runtime: Pick<Runtime, 'now'>;
  readonly monotonic: () => number;
  /** Told whenever another holder, or none, was seen; empty for none. */
  readonly onHolder: (identity: string) => void;
}

/** One process's dealings with a lease. Calls are made one after the other; each may be made again after any error. */
export interface LeaseHold {
  /**
   * Takes the lease if it is free; undefined while somebody else may still act. A lease that did not exist says nothing of who held it
   * before: it is created at once, and held for `validMs` before it counts.
   */
  acquire(signal: AbortSignal): Promise<Held | undefined>;
  /** Renews what was acquired. NOT_LEADER when it is not ours any more. */
  renew(signal: AbortSignal): Promise<Held>;
  /** Gives it back, if it is still ours, so that others need not wait. */
  release(signal: AbortSignal): Promise<void>;
}

/** A lease given back says so by this duration, as client-go's do; one that somebody emptied by hand keeps its own and is waited out. */
const releasedSeconds = 1;

/**
 * The rules of client-go's leaderelection, with differences that only make it wait more: a lease that vanishes leaves its holder the time
 * to make it again, one that was created counts when no earlier holder can act any more, and a lease is ours only if it shows the very
 * term that this process wrote, whatever the identity. How old a record is is measured by this process's monotonic clock from when it saw
 * the record change: the times within it are for people.
 */
export function createLeaseHold(options: LeaseHoldOptions): LeaseHold {
  const { lease, identity, monotonic } = options;
  const ownSeconds = Math.ceil(options.leaseDurationMs / 1000);
  /** The last change that we saw; without text when the lease went away. */
  let seen: { readonly text: string; readonly record: LeaseRecord } | undefined;
  let validUntil = Number.NEGATIVE_INFINITY;
  let stored: StoredLease | undefined;
  /** What we wrote last, or tried to: the answer may have been lost. */
  let mine: LeaseRecord | undefined;
  /** Before it, what we created does not count; unknown until the creation was seen. */
  let countsFrom: number | 'unseen' = Number.NEGATIVE_INFINITY;
  /** Has what we hold counted? Then holding it anew is another term. */
  let counted = false;
  let writes = 0;

  function observe(found: StoredLease | undefined): void {
    stored = found;
    if (found === undefined) {
      vanished();
      return;
    }
    const { record } = found;
    const text = JSON.stringify(Object.entries(record).sort());
    if (text === seen?.text) return;
    const holder = seen?.record.holderIdentity;
    seen = { text, record };
    const released = record.holderIdentity === '' && record.leaseDurationSeconds === releasedSeconds;
    validUntil = released ? Number.NEGATIVE_INFINITY : monotonic() + Math.max(record.leaseDurationSeconds, ownSeconds) * 1000;
    if (record.holderIdentity !== holder) options.onHolder(record.holderIdentity);
  }

  function vanished(): void {
    if (seen === undefined || seen.text === '') return;
    seen = { text: '', record: seen.record };
    validUntil = monotonic() + Math.max(seen.record.leaseDurationSeconds, ownSeconds) * 1000;
  }

  async function read(signal: AbortSignal): Promise<StoredLease | undefined> {
    const found = await lease.read({ signal });
    signal.throwIfAborted();
    observe(found);
    return found;
  }

  async function write(previous: StoredLease | undefined, record: LeaseRecord, signal: AbortSignal): Promise<Held> {
    const sentAt = monotonic();
    mine = record;
    const written = await (previous === undefined ? lease.create(record, { signal }) : lease.replace(previous, record, { signal }));
    signal.throwIfAborted();
    observe(written);
    return { sentAt, transitions: record.leaseTransitions };
  }

  const isMine = ({ record }: StoredLease): boolean =>
    record.holderIdentity === identity && record.acquireTime === mine?.acquireTime && record.leaseTransitions === mine.leaseTransitions;

  /** The digits below a millisecond count the writes: two renewals never look the same, even where the clock stands still. */
  function stamp(): string {
    writes += 1;
    return options.runtime
      .now()
      .toISOString()
      .replace('Z', `${String(writes % 1000).padStart(3, '0')}Z`);
  }

  function newTerm(): LeaseRecord {
    const time = stamp();
    const leaseTransitions = seen === undefined ? 0 : seen.record.leaseTransitions + 1;
    return { holderIdentity: identity, leaseDurationSeconds: ownSeconds, acquireTime: time, renewTime: time, leaseTransitions };
  }

  /** The term as we hold it; NOT_LEADER when there is none. */
  function term(): LeaseRecord {
    if (mine !== undefined) return mine;
    throw new HoldfastError('NOT_LEADER', `${lease.name} was never acquired`);
  }

  return {
    acquire: async signal => {
      const found = await read(signal);
      const own = found !== undefined && isMine(found);
      if (!own && monotonic() < validUntil) return undefined;
      if (!own) countsFrom = found === undefined ? 'unseen' : Number.NEGATIVE_INFINITY;
      try {
        const held = await write(found, own && !counted ? { ...term(), renewTime: stamp() } : newTerm(), signal);
        if (countsFrom === 'unseen') countsFrom = monotonic() + options.validMs;
        counted = held.sentAt >= countsFrom;
        return counted ? held : undefined;
      } catch (thrown) {
        if (isCode(thrown, 'CLUSTER_CONFLICT')) return undefined;
        throw thrown;
      }
    },
    renew: async signal => {
      const renewed: LeaseRecord = { ...term(), renewTime: stamp() };
      try {
        return await write(stored, renewed, signal);
      } catch (thrown) {
        if (!isCode(thrown, 'CLUSTER_CONFLICT', 'CLUSTER_NOT_FOUND')) throw thrown;
      }
      const found = await read(signal);
      if (found !== undefined && !isMine(found)) {
        const by = found.record.holderIdentity;
        throw new HoldfastError('NOT_LEADER', `${lease.name} is ${by === '' ? 'held by nobody' : `held by ${by}`} now`);
      }
      return await write(found, renewed, signal);
    },
    release: async signal => {
      const time = stamp();
      const { leaseTransitions } = term();
      const record = { holderIdentity: '', leaseDurationSeconds: releasedSeconds, acquireTime: time, renewTime: time, leaseTransitions };
      const found = await read(signal);
      if (found === undefined || !isMine(found)) return;
      mine = undefined;
      observe(await lease.replace(found, record, { signal }));
    },
  };
}
