import * as z from 'zod';
import { parts } from '../../domain/policy.ts';
import { objectiveStates } from '../../schedule/objective-state.ts';
import { count, selection, time } from './common.ts';

const objectives = z.object({ rpoMs: count.exactOptional(), rtoMs: count.exactOptional() });
const keep = z.object({ count, unit: z.enum(['hour', 'day', 'week', 'month', 'year']) });

const scheduledTier = z.object({
  name: z.string(),
  keep,
  schedule: z.string(),
  timeZone: z.string(),
  scope: z.object({ selection, parts: z.array(z.enum(parts)), locations: z.array(z.string()).exactOptional() }),
  suspend: z.boolean(),
  startingDeadlineMs: count.exactOptional().describe('absent: 6 h, or half of the time until the next run where that is two days or more'),
  jitterMs: count,
  objectives,
});
const promotedTier = z.object({
  name: z.string(),
  keep,
  promote: z.object({ from: z.string(), lastOf: z.enum(['day', 'week', 'month', 'year']) }),
});

export const policy = z
  .object({
    name: z.string(),
    tiers: z.array(z.union([scheduledTier, promotedTier])),
    objectives,
    suspend: z.boolean(),
    initialBackup: z.boolean(),
  })
  .describe('As the service’s configuration has it; it is changed there.')
  .meta({ id: 'Policy' });

export const objectiveStatus = z
  .object({
    policy: z.string(),
    tier: z.string().exactOptional().describe('absent for the policy as a whole'),
    objectives,
    state: z.enum(objectiveStates),
    message: z.string(),
    lastComplete: z.object({ set: z.string(), at: time }).exactOptional(),
    rpoNowMs: count.exactOptional().describe('what would be lost now, milliseconds'),
    rtoLastMs: count.exactOptional(),
    nextRun: time.exactOptional(),
    overdueSince: time.exactOptional(),
    notProtected: z.array(z.enum(parts)),
  })
  .meta({ id: 'Objective' });

export const retentionPlan = z
  .object({
    at: time,
    digest: z.string().describe('confirms this plan: POST /retention/runs'),
    decisions: z.array(
      z.object({ set: z.string(), action: z.enum(['keep', 'delete']), reasons: z.array(z.string()), expiresAt: time.exactOptional() }),
    ),
    beyondLimit: z.boolean().describe('it deletes more than one run may without `beyondLimit`'),
    blocked: z.string().exactOptional().describe('why nothing may be deleted now, though there are decisions to delete'),
    notices: z.array(z.string()).describe('what somebody should look at'),
  })
  .meta({ id: 'RetentionPlan' });
