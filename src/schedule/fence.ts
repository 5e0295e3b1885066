import { HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';

/** The fence of one term of leadership: it closes by itself, and once closed it never opens again. */
export interface TermFence extends Fence {
  /** A renewal that was sent at `sentAt` has succeeded. Changes nothing once the fence is closed: a term has no gaps. */
  renewed(sentAt: number): void;
  /** Closes it now; `why` is what `check` throws from then on, unless it was closed before. */
  close(why: HoldfastError): void;
  /** Milliseconds until it closes by itself; 0 once it is closed. */
  remainingMs(): number;
}

export interface FenceOptions {
  /** What was held, for messages. */
  readonly lease: string;
  /** Milliseconds that only grow and go on while the process is stopped: `performance.now`. */
  readonly monotonic: () => number;
  /** How long after the sending of a renewal writes are allowed, milliseconds: shorter than others wait before they take over. */
  readonly validMs: number;
  /** When the request that acquired the lease was sent, by `monotonic`. */
  readonly sentAt: number;
}

/**
 * Open for `validMs` from the sending of the last renewal that succeeded. Counted from the sending because others count from when they saw
 * the renewal, which is later: so it is closed before anybody else may lead. No timer is involved: a process that was stopped and goes on
 * finds it closed at its first look.
 */
export function createFence({ lease, monotonic, validMs, sentAt }: FenceOptions): TermFence {
  let renewedAt = sentAt;
  let closed: HoldfastError | undefined;
  const look = (): number => {
    if (closed !== undefined) return 0;
    const age = monotonic() - renewedAt;
    if (age < validMs) return validMs - age;
    const seconds = (age / 1000).toFixed(1);
    closed = new HoldfastError('NOT_LEADER', `${lease}: last renewed ${seconds} s ago, so that another replica may lead by now`);
    return 0;
  };
  return {
    check: () => {
      look();
      if (closed !== undefined) throw new HoldfastError(closed.code, closed.message, { cause: closed });
    },
    renewed: at => {
      if (look() > 0) renewedAt = Math.max(renewedAt, at);
    },
    close: why => {
      look();
      closed ??= why;
    },
    remainingMs: look,
  };
}
