import type { HookRule } from './hook-rule.ts';
import { isClusterWide, type Selection } from './selection.ts';

/** What a tier can protect. `resources` are the objects of the API; the others are work of their own, each reported by itself. */
export const parts = ['resources', 'volumeSnapshots', 'volumeData', 'artifacts', 'offsiteCopy'] as const;
export type Part = (typeof parts)[number];

/** What a backup that is not a tier's does about volumes: nothing, snapshots in the cluster, or also their data in the repository. */
export const volumeCaptures = ['none', 'snapshots', 'data'] as const;
export type VolumeCapture = (typeof volumeCaptures)[number];

const volumeParts = {
  none: [],
  snapshots: ['volumeSnapshots'],
  data: ['volumeSnapshots', 'volumeData'],
} as const satisfies Record<VolumeCapture, readonly Part[]>;

/** The parts with those of volumes as wished, whatever they were. */
export function partsWith(asked: readonly Part[], volumes: VolumeCapture): Part[] {
  const others = asked.filter(part => part !== 'volumeSnapshots' && part !== 'volumeData');
  const wanted = new Set<Part>(['resources', ...others, ...volumeParts[volumes]]);
  return parts.filter(part => wanted.has(part));
}

/** What the parts ask for of volumes. */
export function volumesAmong(asked: readonly Part[]): { readonly snapshots: boolean; readonly data: boolean } {
  return { snapshots: asked.includes('volumeSnapshots'), data: asked.includes('volumeData') };
}

/** Calendar units are UTC: a month after 31 January is the last day of February. */
export type PeriodUnit = 'hour' | 'day' | 'week' | 'month' | 'year';

/** `30d`, `12w`, `12mo`, `7y` in the configuration. */
export interface Period {
  readonly count: number;
  readonly unit: PeriodUnit;
}

/** How much may be lost, and how long it may take to be back. */
export interface Objectives {
  /** Recovery point objective: the greatest age of the newest complete set, milliseconds. */
  readonly rpoMs?: number;
  /** Recovery time objective, milliseconds. */
  readonly rtoMs?: number;
}

interface TierBasics {
  /** Lower-case words joined by `-`: `daily`. The label of its sets. */
  readonly name: string;
  /** How long its sets are kept, counted from their start. */
  readonly keep: Period;
}

/** A tier with sets of its own, taken by the clock. Field names are those of a CronJob. */
export interface ScheduledTier extends TierBasics {
  /** Five fields of cron, or `@daily` and its like. */
  readonly schedule: string;
  /** IANA name. */
  readonly timeZone: string;
  readonly scope: Scope;
  readonly suspend: boolean;
  /** A run that could not start this long after its time is given up, milliseconds; absent where the interval says it. */
  readonly startingDeadlineMs?: number;
  /** A run starts up to this much later than its time, milliseconds; the same amount every time. */
  readonly jitterMs: number;
  readonly objectives: Objectives;
}

/** A tier that takes no sets of its own, but keeps the last complete one of each period of another tier. */
export interface PromotedTier extends TierBasics {
  readonly promote: { readonly from: string; readonly lastOf: 'day' | 'week' | 'month' | 'year' };
}

export type Tier = ScheduledTier | PromotedTier;

export interface Scope {
  readonly selection: Selection;
  /** Never empty. With `locations`, `offsiteCopy` is one of them. */
  readonly parts: readonly Part[];
  /** Names of the locations, besides the service’s own, that shall have a copy of its sets; never empty. */
  readonly locations?: readonly string[];
  /** Of the policy: tried before those of `volumes.hooks`. */
  readonly hooks?: readonly HookRule[];
}

/** Several tiers that protect one thing. */
export interface Policy {
  readonly name: string;
  /** Shortest interval first: the order is that of the configuration. */
  readonly tiers: readonly Tier[];
  /** Hold for the policy as a whole: the newest complete set of one of its `wholeTiers` counts. */
  readonly objectives: Objectives;
  readonly suspend: boolean;
  /** Take a set at once where the policy has none that is complete. */
  readonly initialBackup: boolean;
}

export function isScheduled(tier: Tier): tier is ScheduledTier {
  return 'schedule' in tier;
}

/**
 * Those by which a policy is judged as a whole. Where some take the whole cluster, a set of another one would bring back a part of it: however
 * young, it does not say what would be lost.
 */
export function wholeTiers({ tiers }: Pick<Policy, 'tiers'>): readonly ScheduledTier[] {
  const scheduled = tiers.filter(isScheduled);
  const whole = scheduled.filter(({ scope }) => isClusterWide(scope.selection));
  return whole.length > 0 ? whole : scheduled;
}

/** What a metric calls the tier of a set: whoever asks for a backup may call it anything, and each name would be a series of its own. */
export function tierLabel(policies: readonly Policy[], name: string): string {
  return name === 'manual' || policies.some(({ tiers }) => tiers.some(tier => tier.name === name)) ? name : 'other';
}

/** One time at which a tier was due. It identifies the run, whenever that really happens. */
export interface Fire {
  readonly policy: string;
  readonly tier: string;
  /** RFC 3339, UTC: the time by the schedule, without jitter. */
  readonly at: string;
}

/** The hooks of all policies; none is there twice, though every tier has its policy’s. */
export function policyHooks(policies: readonly Policy[]): readonly HookRule[] {
  return [...new Set(policies.flatMap(({ tiers }) => tiers.flatMap(tier => (isScheduled(tier) ? (tier.scope.hooks ?? []) : []))))];
}
