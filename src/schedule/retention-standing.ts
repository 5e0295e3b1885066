import { clusterName } from '../domain/cluster-identity.ts';
import type { Fire, Policy, PromotedTier, Tier } from '../domain/policy.ts';
import { isScheduled } from '../domain/policy.ts';
import type { ReadableSet } from '../repository/catalog.ts';
import { type CalendarPeriod, periodAt } from './calendar.ts';

/** That a set belongs to a tier that a policy names. */
export interface Membership {
  readonly policy: Policy;
  readonly tier: Tier;
  /** By one of its scheduled runs, or only by its label, as a set that somebody asked for. */
  readonly by: 'fire' | 'label';
}

/** A set that can be read and is not dated in the future. */
export interface Candidate {
  readonly set: ReadableSet;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly memberships: readonly Membership[];
}

/** That a tier without sets of its own keeps a set for its period. */
export interface Promotion {
  readonly policy: Policy;
  readonly tier: PromotedTier;
  readonly period: CalendarPeriod;
}

/** What a set is the newest of. Without a tier: of the whole policy. */
export interface Newest {
  readonly policy: Policy;
  readonly tier?: Tier;
  readonly by: Membership['by'];
}

/** How a set stands among the others. */
export interface Standing {
  readonly newestOf: readonly Newest[];
  readonly promotions: readonly Promotion[];
}

/** The tiers of a set, and the names of those that no policy names (any more). */
export function tiersOf(set: ReadableSet, policies: readonly Policy[]): { memberships: Membership[]; unnamed: string[] } {
  const memberships: Membership[] = [];
  const unnamed = new Set<string>();
  const join = (policy: Policy, tier: Tier, by: Membership['by']) => {
    if (!memberships.some(known => known.policy === policy && known.tier === tier)) memberships.push({ policy, tier, by });
  };
  for (const fire of set.fires) {
    const policy = policies.find(({ name }) => name === fire.policy);
    const tier = policy?.tiers.find(({ name }) => name === fire.tier);
    if (policy === undefined || tier === undefined) unnamed.add(nameOf(fire));
    else join(policy, tier, 'fire');
  }
  // The label of a scheduled set means a tier of its own policies; that of another set any tier of this name.
  const meant = set.fires.length === 0 ? policies : policies.filter(({ name }) => set.fires.some(({ policy }) => policy === name));
  const labelled = meant.flatMap(policy => policy.tiers.filter(({ name }) => name === set.tier).map(tier => ({ policy, tier })));
  for (const { policy, tier } of labelled) join(policy, tier, 'label');
  if (labelled.length === 0 && !set.fires.some(({ tier }) => tier === set.tier)) unnamed.add(set.tier);
  return { memberships, unnamed: [...unnamed].sort() };
}

function nameOf({ policy, tier }: Pick<Fire, 'policy' | 'tier'>): string {
  return `${policy}/${tier}`;
}

/**
 * Which sets must stay since they are the newest of their kind, and which ones a tier promotes. Sets of different clusters never compete, and
 * one that was asked for never takes the place of a scheduled one: it may hold less.
 */
export function standings(candidates: readonly Candidate[]): (set: ReadableSet) => Standing {
  const newest = new Map<string, { readonly best: Candidate; readonly of: Newest }>();
  const promoted = new Map<string, { readonly best: Candidate; readonly of: Promotion }>();
  for (const candidate of candidates) {
    for (const of of candidate.memberships.flatMap(newestIn)) {
      const key = [of.policy.name, of.tier?.name ?? '', of.by, clusterName(candidate.set.cluster)].join('\n');
      const best = newest.get(key)?.best;
      if (best === undefined || isBetter(candidate, best)) newest.set(key, { best: candidate, of });
    }
    if (candidate.set.phase !== 'Completed') continue;
    for (const of of candidate.memberships.flatMap(membership => promotionsOf(membership, candidate.start))) {
      const key = [of.policy.name, of.tier.name, clusterName(candidate.set.cluster), of.period.start].join('\n');
      const best = promoted.get(key)?.best;
      if (best === undefined || isBetter(candidate, best)) promoted.set(key, { best: candidate, of });
    }
  }
  const newestOf = Map.groupBy(newest.values(), ({ best }) => best.set);
  const promotionsBySet = Map.groupBy(promoted.values(), ({ best }) => best.set);
  return set => ({
    newestOf: (newestOf.get(set) ?? []).map(({ of }) => of),
    promotions: (promotionsBySet.get(set) ?? []).map(({ of }) => of),
  });
}

/** What a set of this tier may be the newest of. */
export function newestIn({ policy, tier, by }: Membership): Newest[] {
  return [
    { policy, by },
    { policy, tier, by },
  ];
}

export function isSameNewest(a: Newest, b: Newest): boolean {
  return a.policy === b.policy && a.tier === b.tier && a.by === b.by;
}

/** Only of what the clock took: a label is anybody's who may ask for a backup, of however little, and must not buy the years of an archive. */
function promotionsOf({ policy, tier, by }: Membership, start: number): Promotion[] {
  if (by === 'label') return [];
  return policy.tiers.flatMap(other =>
    isScheduled(other) || other.promote.from !== tier.name ? [] : [{ policy, tier: other, period: periodAt(start, other.promote.lastOf) }],
  );
}

/** The same text for sets of one cluster. */
export function clusterOf({ set: { cluster } }: Pick<Candidate, 'set'>): string {
  return clusterName(cluster);
}

/** Complete before incomplete, then the later one; ids decide between equals, so that the order of a list never does. */
function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.set.phase !== b.set.phase) return a.set.phase === 'Completed';
  return a.start === b.start ? a.set.id > b.set.id : a.start > b.start;
}
