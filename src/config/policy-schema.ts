import { z } from 'zod';
import type { HookRule } from '../domain/hook-rule.ts';
import { type Objectives, type Policy, parts, type Scope, type Tier } from '../domain/policy.ts';
import { everything } from '../domain/selection.ts';
import { HookList, hooksFrom } from './hook-schema.ts';
import { SelectionSettings, selectionFrom } from './selection-schema.ts';
import { duration, durationOrNone, flag, key, list, oneOf, period, text, timeZone, wordList } from './values.ts';

const objectives = z
  .strictObject(
    {
      rpo: duration.describe('Recovery point objective: the greatest age that the newest complete set may have.'),
      rto: duration.describe('Recovery time objective: how long a restore may take.'),
    },
    'must be a map of rpo and rto',
  )
  .partial();

const partList = wordList(parts, 'parts');

const promotion = z.strictObject(
  {
    from: key.describe('The tier of the same policy whose sets are kept for longer.'),
    lastOf: oneOf(['day', 'week', 'month', 'year']).describe('The last complete set of each such period is kept.'),
  },
  'must be a map of from and lastOf',
);

/** What only a tier with runs of its own can have. */
const runFields = {
  schedule: text.describe('When its sets are taken: five fields of cron, or @hourly, @daily, @weekly, @monthly, @yearly.'),
  timeZone: timeZone.describe('IANA time zone of the schedule; that of the policy unless told.'),
  parts: partList.describe('What its sets protect; resources unless told.'),
  locations: list.describe('Names of `locations` that shall have a copy of its sets, which asks for the part offsiteCopy too.'),
  selection: SelectionSettings.describe('Which objects; the selection of the policy unless told.'),
  objectives: objectives.describe('Objectives that the sets of this tier alone must meet.'),
  suspend: flag.describe('Take no sets by the clock for now.'),
  startingDeadline: duration.describe(
    'A run that could not start this long after its time is given up; unless told 6h, or half of the time until the next run where that is two days or more.',
  ),
  jitter: durationOrNone.describe('A run starts up to this much later than its time, always by the same amount; 0s unless told.'),
};

const tierSettings = z
  .strictObject(
    {
      ...runFields,
      keep: period.describe('How long its sets are kept, from their start; calendar months and years are UTC.'),
      promote: promotion,
    },
    'must be a map with keep, and schedule or promote',
  )
  .partial({
    ...(Object.fromEntries(Object.keys(runFields).map(key => [key, true])) as Record<keyof typeof runFields, true>),
    promote: true,
  })
  .superRefine((tier, context) => {
    const problem = (message: string, path: string[] = []) => context.addIssue({ code: 'custom', message, path });
    if (tier.schedule === undefined && tier.promote === undefined) problem('needs a schedule, or promote to keep sets of another tier');
    if (tier.promote === undefined) return;
    for (const field of Object.keys(runFields) as (keyof typeof runFields)[]) {
      if (tier[field] !== undefined) problem('cannot be set where there is promote: such a tier takes no sets of its own', [field]);
    }
  })
  .meta({
    oneOf: [
      { type: 'object', properties: { schedule: { type: 'string' } }, required: ['schedule'] },
      { type: 'object', properties: { promote: { type: 'object' } }, required: ['promote'] },
    ],
  });

const policySettings = z
  .strictObject(
    {
      objectives: objectives.describe(
        'Objectives of the policy as a whole: where a tier takes the whole cluster, only sets of the whole cluster count.',
      ),
      timeZone: timeZone.describe('IANA time zone of the schedules of its tiers; UTC unless told.'),
      selection: SelectionSettings.describe('What its tiers take; the whole cluster unless told.'),
      hooks: HookList.describe(
        'Hooks for pods that have none in their annotations; those of `volumes.hooks` hold where none of these chooses a pod.',
      ),
      suspend: flag.describe('Take no sets by the clock for now, in any tier.'),
      initialBackup: flag.describe('Take a set at once where the policy has none that is complete; true unless told.'),
      tiers: z.record(key, tierSettings, 'must be a map of tiers').describe('Its tiers, shortest interval first.'),
    },
    'must be a map with tiers',
  )
  .partial({ objectives: true, timeZone: true, selection: true, hooks: true, suspend: true, initialBackup: true })
  .superRefine(({ tiers }, context) => {
    if (Object.keys(tiers).length === 0) context.addIssue({ code: 'custom', message: 'must have a tier at least', path: ['tiers'] });
    for (const [name, { promote }] of Object.entries(tiers)) {
      if (promote === undefined || tiers[promote.from]?.schedule !== undefined) continue;
      const scheduled = Object.keys(tiers).filter(other => tiers[other]?.schedule !== undefined);
      const message = `names no tier with a schedule; there ${scheduled.length === 0 ? 'is none' : `are ${scheduled.join(', ')}`}`;
      context.addIssue({ code: 'custom', message, path: ['tiers', name, 'promote', 'from'] });
    }
  });

/** Policies by name, as they are written. */
export const PolicyMap = z.record(key, policySettings, 'must be a map of policies');
export type PolicyMap = z.infer<typeof PolicyMap>;
type TierSettings = z.infer<typeof tierSettings>;

/** The policies that the settings mean, with every default filled in. */
export function policiesFrom(written: PolicyMap): readonly Policy[] {
  return Object.entries(written).map(([name, policy]) => {
    const { objectives, timeZone, selection, suspend = false, initialBackup = true } = policy;
    // The same ones in every tier.
    const hooks = hooksFrom(policy.hooks);
    const tiers = Object.entries(policy.tiers).map(([tierName, tier]) =>
      tierFrom(tierName, { ...tier, timeZone: tier.timeZone ?? timeZone, selection: tier.selection ?? selection }, hooks),
    );
    return { name, objectives: objectivesFrom(objectives), suspend, initialBackup, tiers };
  });
}

function tierFrom(name: string, tier: TierSettings, hooks: readonly HookRule[]): Tier {
  // One of both is there: the schema has seen to it.
  const { keep, promote, schedule = '' } = tier;
  if (promote !== undefined) return { name, keep, promote };
  return {
    ...{ name, keep, schedule },
    timeZone: tier.timeZone ?? 'UTC',
    scope: { ...scopeFrom(tier), ...(hooks.length > 0 && { hooks }) },
    suspend: tier.suspend ?? false,
    ...(tier.startingDeadline !== undefined && { startingDeadlineMs: tier.startingDeadline }),
    jitterMs: tier.jitter ?? 0,
    objectives: objectivesFrom(tier.objectives),
  };
}

function scopeFrom({ selection, parts: named = ['resources'], locations = [] }: TierSettings): Scope {
  const whole = selection === undefined ? everything : selectionFrom(selection);
  if (locations.length === 0) return { selection: whole, parts: named };
  return { selection: whole, parts: parts.filter(part => part === 'offsiteCopy' || named.includes(part)), locations };
}

function objectivesFrom({ rpo, rto }: z.infer<typeof objectives> = {}): Objectives {
  return { ...(rpo === undefined ? {} : { rpoMs: rpo }), ...(rto === undefined ? {} : { rtoMs: rto }) };
}
