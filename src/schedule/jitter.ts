import { sha256Hex } from '../crypto/digest.ts';

const hexDigits = 12;

/**
 * How much later than its time a run of a tier is due, from 0 to `jitterMs`, milliseconds. The same for every run of one tier of one cluster;
 * spread evenly over tiers and clusters, so that those that share a schedule do not all start at once.
 */
export function jitterOf(policy: string, tier: string, clusterId: string, jitterMs: number): number {
  const digest = sha256Hex(JSON.stringify([policy, tier, clusterId]));
  return Math.floor((Number.parseInt(digest.slice(0, hexDigits), 16) / 16 ** hexDigits) * (jitterMs + 1));
}
