import type { Lease } from '../cluster/lease.ts';
import { asHoldfastError, HoldfastError, isCode } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import type { Runtime } from '../domain/runtime.ts';
import { bounded, pause } from './bounded.ts';
import { createFence, type TermFence } from './fence.ts';
import { createLeaseHold, type Held, type LeaseHold } from './lease-hold.ts';

/** Milliseconds; the same on all replicas. */
export interface LeaderTimings {
  /** How long the others wait after the last renewal that they saw. */
  readonly leaseDurationMs: number;
  /** How long a leader acts on after the last renewal that succeeded was sent; what is left of the lease is for writes under way. */
  readonly renewDeadlineMs: number;
  /** Between two tries. */
  readonly retryPeriodMs: number;
}

export const defaultLeaderTimings: LeaderTimings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };

/** One term: from an acquisition to its end. */
export interface Leadership {
  /** Aborted when the term ends: with NOT_LEADER when it was lost, with the reason of the stop otherwise. */
  readonly signal: AbortSignal;
  /** To stand before every durable write of the term; closed before another replica may lead. */
  readonly fence: Fence;
  /** The number of the term; it grows with every term as long as nobody deletes the lease. */
  readonly transitions: number;
}

export interface LeaderElectionOptions {
  readonly lease: Lease;
  /** Who we are, for people: the name of the pod. Two processes of one name are still two. */
  readonly identity: string;
  readonly timings: LeaderTimings;
  readonly runtime: Runtime;
  /** Milliseconds that only grow and go on while the process is stopped: `performance.now`. */
  readonly monotonic: () => number;
  /**
   * The work of a term. It ends soon after its signal is aborted; the lease is renewed until then, and given back afterwards. Where it fails
   * before, the election ends with its error.
   */
  readonly onStartedLeading: (leadership: Leadership) => Promise<void>;
  /** A term has ended, and why; its work may not have settled yet. */
  readonly onStoppedLeading?: (why: HoldfastError) => void;
  /** Another holder was seen, perhaps ourselves; empty where the lease was given back. */
  readonly onNewLeader?: (identity: string) => void;
  /** A try failed; the next one follows. */
  readonly onTrouble?: (error: HoldfastError) => void;
  /** Ends the election. */
  readonly signal: AbortSignal;
}

/**
 * Takes part in the election until the signal is aborted: waits for the lease, leads while it can be renewed, and becomes a candidate again
 * when it was lost. Resolves once the lease is given back, or left to run out where the API server does not answer. The work of a term has
 * `leaseDurationMs` to settle; what is left of it after that finds its fence closed. CONFIG_INVALID for timings that cannot work.
 */
export async function runLeaderElection(options: LeaderElectionOptions): Promise<void> {
  checkTimings(options.timings);
  const { lease, identity, timings, runtime, monotonic, signal } = options;
  const hold = createLeaseHold({
    ...{ lease, identity, runtime, monotonic, leaseDurationMs: timings.leaseDurationMs, validMs: timings.renewDeadlineMs },
    onHolder: holder => options.onNewLeader?.(holder),
  });
  while (!signal.aborted) {
    const held = await candidate(options, hold);
    if (held !== undefined) await lead(options, hold, held);
    await pause(runtime, jittered(options), signal);
  }
}

/** CONFIG_INVALID unless lease duration > renew deadline > retry period × 1.2. */
function checkTimings({ leaseDurationMs, renewDeadlineMs, retryPeriodMs }: LeaderTimings): void {
  if (retryPeriodMs > 0 && renewDeadlineMs > retryPeriodMs * 1.2 && leaseDurationMs > renewDeadlineMs) return;
  const given = `${leaseDurationMs}, ${renewDeadlineMs} and ${retryPeriodMs} ms`;
  throw new HoldfastError(
    'CONFIG_INVALID',
    `lease duration, renew deadline and retry period are ${given}: each must be shorter than the one before`,
  );
}

/** Candidates that were started together must not keep on asking together. */
function jittered({ runtime, timings }: LeaderElectionOptions): number {
  return timings.retryPeriodMs * (1 + (0.2 * (runtime.random(1)[0] ?? 0)) / 255);
}

/** A try that gets no answer must leave time for another one. */
function tryMs({ timings }: LeaderElectionOptions): number {
  return timings.renewDeadlineMs / 2;
}

async function candidate(options: LeaderElectionOptions, hold: LeaseHold): Promise<Held | undefined> {
  const { runtime, signal, onTrouble } = options;
  try {
    return await bounded(runtime, tryMs(options), signal, hold.acquire);
  } catch (thrown) {
    if (!signal.aborted) onTrouble?.(asHoldfastError(thrown));
    return undefined;
  }
}

type Ending =
  | { readonly how: 'lost' | 'stopped'; readonly why: HoldfastError }
  | { readonly how: 'failed'; readonly why: HoldfastError; readonly thrown: unknown };

async function lead(options: LeaderElectionOptions, hold: LeaseHold, held: Held): Promise<void> {
  const { lease, timings, monotonic, signal } = options;
  const fence = createFence({ lease: lease.name, monotonic, validMs: timings.renewDeadlineMs, sentAt: held.sentAt });
  // The answer may have come so late that nothing of the term is left.
  if (fence.remainingMs() === 0) return;
  const [term, done] = [new AbortController(), new AbortController()];
  const ended = Promise.withResolvers<Ending>();
  const stop = () => ended.resolve({ how: 'stopped', why: asHoldfastError(signal.reason) });
  signal.addEventListener('abort', stop, { once: true, signal: done.signal });
  if (signal.aborted) stop();
  const renewals = renewUntilLost(options, hold, fence, done.signal).then(why => {
    if (why !== undefined) ended.resolve({ how: 'lost', why });
  });
  const leadership: Leadership = { signal: term.signal, fence, transitions: held.transitions };
  const work = Promise.try(options.onStartedLeading, leadership).catch((thrown: unknown) => {
    const why = asHoldfastError(thrown);
    ended.resolve(isCode(why, 'NOT_LEADER') ? { how: 'lost', why } : { how: 'failed', why, thrown });
  });

  const ending = await ended.promise;
  term.abort(ending.why);
  options.onStoppedLeading?.(ending.why);
  const settled = await settles(options, work);
  done.abort();
  await renewals;
  // Where work is left over, others wait until the lease has run out.
  const mayGiveBack = ending.how !== 'lost' && settled && fence.remainingMs() > 0;
  fence.close(new HoldfastError('NOT_LEADER', `${lease.name}: the term has ended: ${ending.why.message}`));
  if (mayGiveBack) await giveBack(options, hold);
  if (ending.how === 'failed') throw ending.thrown;
}

/** Renews until `done`, which gives undefined, or until the lease is lost, which closes the fence and gives the reason. */
async function renewUntilLost(
  options: LeaderElectionOptions,
  hold: LeaseHold,
  fence: TermFence,
  done: AbortSignal,
): Promise<HoldfastError | undefined> {
  const { lease, timings, runtime } = options;
  const lost = (why: HoldfastError): HoldfastError => {
    fence.close(why);
    return why;
  };
  for (;;) {
    await pause(runtime, Math.min(timings.retryPeriodMs, fence.remainingMs()), done);
    if (done.aborted) return undefined;
    const remainingMs = fence.remainingMs();
    if (remainingMs === 0) {
      return lost(new HoldfastError('NOT_LEADER', `${lease.name} could not be renewed within ${timings.renewDeadlineMs} ms`));
    }
    try {
      const { sentAt } = await bounded(runtime, Math.min(tryMs(options), remainingMs), done, hold.renew);
      fence.renewed(sentAt);
    } catch (thrown) {
      if (done.aborted) return undefined;
      const error = asHoldfastError(thrown);
      if (error.code === 'NOT_LEADER') return lost(error);
      options.onTrouble?.(error);
    }
  }
}

/** Does the work end within a lease duration? */
async function settles({ runtime, timings }: LeaderElectionOptions, work: Promise<void>): Promise<boolean> {
  try {
    await bounded(runtime, timings.leaseDurationMs, undefined, () => work);
    return true;
  } catch {
    return false;
  }
}

async function giveBack(options: LeaderElectionOptions, hold: LeaseHold): Promise<void> {
  try {
    await bounded(options.runtime, tryMs(options), undefined, hold.release);
  } catch (thrown) {
    options.onTrouble?.(asHoldfastError(thrown));
  }
}
