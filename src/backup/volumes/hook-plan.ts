import { at, type JsonObject, stringAt } from '../../domain/json.ts';
import type { HooksOf, PodHooks } from '../../volumes/pod-hooks.ts';
import type { WantedClaim } from './select.ts';

/** Claims that are captured at one moment, with all pods that are to be quiet in it. */
export interface Unit {
  readonly claims: readonly WantedClaim[];
  readonly hooks: readonly PodHooks[];
}

/** Pods that run and use a claim, by `namespace/claim`. */
export function podsByClaim(pods: readonly JsonObject[]): ReadonlyMap<string, readonly JsonObject[]> {
  const byClaim = new Map<string, JsonObject[]>();
  for (const pod of pods) {
    const phase = stringAt(pod, 'status', 'phase');
    if (phase === 'Succeeded' || phase === 'Failed') continue;
    for (const claim of claimsOf(pod)) {
      const key = `${stringAt(pod, 'metadata', 'namespace') ?? ''}/${claim}`;
      byClaim.set(key, [...(byClaim.get(key) ?? []), pod]);
    }
  }
  return byClaim;
}

function claimsOf(pod: JsonObject): string[] {
  const list = at(pod, 'spec', 'volumes');
  if (!Array.isArray(list)) return [];
  const name = stringAt(pod, 'metadata', 'name') ?? '';
  return list.flatMap(volume => {
    // A claim that a pod brings along is named after both.
    if (at(volume, 'ephemeral') !== undefined) return [`${name}-${stringAt(volume, 'name') ?? ''}`];
    return stringAt(volume, 'persistentVolumeClaim', 'claimName') ?? [];
  });
}

/**
 * Puts claims together that share a pod with hooks: it is quiet once, for all of them. Every other claim is a unit of its own.
 */
export function planUnits(claims: readonly WantedClaim[], pods: ReadonlyMap<string, readonly JsonObject[]>, hooksOf: HooksOf): Unit[] {
  const units: { claims: WantedClaim[]; hooks: Map<string, PodHooks> }[] = [];
  for (const claim of claims) {
    const hooks = new Map<string, PodHooks>();
    for (const pod of pods.get(`${claim.facts.namespace}/${claim.facts.claim}`) ?? []) {
      const found = hooksOf(pod);
      if (found !== undefined) hooks.set(`${found.namespace}/${found.name}`, found);
    }
    const joined = units.filter(unit => [...hooks.keys()].some(key => unit.hooks.has(key)));
    const merged = { claims: [...joined.flatMap(unit => unit.claims), claim], hooks };
    for (const unit of joined) {
      for (const [key, value] of unit.hooks) hooks.set(key, value);
      units.splice(units.indexOf(unit), 1);
    }
    units.push(merged);
  }
  return units.map(unit => ({ claims: unit.claims, hooks: [...unit.hooks.values()] }));
}
