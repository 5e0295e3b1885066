import type { Finding } from './problems.ts';
import type { Settings } from './schema.ts';

/** A tier names locations that there are. */
export function checkLocations({ locations = {}, policies = {} }: Settings): Finding[] {
  const known = Object.keys(locations).join(', ') || 'none';
  const findings: Finding[] = [];
  for (const [policy, { tiers }] of Object.entries(policies)) {
    for (const [tier, { locations: named = [] }] of Object.entries(tiers)) {
      for (const name of named.filter(one => !Object.hasOwn(locations, one))) {
        const message = `names ${JSON.stringify(name)}, which is no key of locations; there are ${known}`;
        const hint = `write locations: {${name}: s3://bucket/prefix}; the repository itself is location, and need not be named`;
        findings.push({ path: ['policies', policy, 'tiers', tier, 'locations'], message, severity: 'error', hint });
      }
    }
  }
  return findings;
}
