import type { Finding } from './problems.ts';
import type { Settings } from './schema.ts';

/** How locations are read, by whoever opens them. */
export interface LocationRules {
  /** The error for one that cannot be read, which repeats nothing of it that may be secret; undefined for one that can. */
  refusal(location: string, s3?: Settings['s3']): { readonly message: string; readonly hint: string } | undefined;
}

/** Locations can be read, and a tier names such as there are. */
export function checkLocations({ location, s3, locations = {}, policies = {} }: Settings, rules?: LocationRules): Finding[] {
  const known = Object.keys(locations).join(', ') || 'none';
  const findings: Finding[] = [];
  const look = (path: readonly string[], refused: ReturnType<LocationRules['refusal']>) => {
    if (refused === undefined) return;
    const message = `cannot be used: ${refused.message.replace(/^location: /, '')}`;
    findings.push({ path, message, severity: 'error', hint: refused.hint });
  };
  if (location !== undefined) look(['location'], rules?.refusal(location, s3));
  for (const [name, text] of Object.entries(locations)) look(['locations', name], rules?.refusal(text));
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
