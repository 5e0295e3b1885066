import type { Lease } from '../cluster/lease.ts';
import type { Runtime } from '../domain/runtime.ts';
import { labelValue, shortDigest } from './labels.ts';

/** Held by every run that makes objects for a while: what is labelled with a work whose lease nobody renews is left over. */
export function workLeaseName(work: string): string {
  return `holdfast-work-${shortDigest(labelValue(work))}`;
}

/** A lease that has not changed for so long is not held: longer than one lasts. */
export const silenceMs = 25_000;
const pollMs = 500;

export interface WorkLeases {
  /** A Lease of the service's namespace. */
  readonly lease: (name: string) => Lease;
  readonly runtime: Pick<Runtime, 'sleep'>;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
}

/** Whether the run of a work is over; looks until that is certain, 25 seconds at most. */
export async function workEnded({ lease, runtime, monotonic }: WorkLeases, work: string, signal: AbortSignal): Promise<boolean> {
  const held = lease(workLeaseName(work));
  const first = await held.read({ signal });
  if (first === undefined) return true;
  const until = monotonic() + silenceMs;
  while (monotonic() < until) {
    await runtime.sleep(pollMs, signal);
    const now = await held.read({ signal });
    if (now === undefined) return true;
    if (now.json !== first.json) return false;
  }
  return true;
}
