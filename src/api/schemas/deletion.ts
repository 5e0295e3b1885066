import * as z from 'zod';
import { count, time } from './common.ts';

export const deletionPlan = z
  .object({
    set: z.string(),
    phase: z
      .enum(['Completed', 'PartiallyFailed', 'Unreadable', 'Deleting'])
      .describe('Deleting: it is no set any more, and what is left of it goes'),
    startedAt: time,
    tier: z.string().exactOptional(),
    cluster: z.string().exactOptional(),
    objects: count.exactOptional(),
    error: z.object({ code: z.string(), message: z.string() }).exactOptional().describe('why it cannot be read'),
    files: count.describe('of its own, volumes apart'),
    storedBytes: count,
    volumes: z
      .array(z.object({ namespace: z.string(), claim: z.string(), bytes: count.exactOptional(), snapshot: z.boolean() }))
      .describe('whose data goes with it'),
    keptBy: z.array(z.string()).describe('what would keep it if nobody asked'),
    warnings: z.array(z.string()).describe('what goes with it that no other set of its cluster has'),
    refusal: z
      .object({ code: z.enum(['BACKUP_HELD', 'BACKUP_IN_USE', 'BACKUP_NEEDED']), message: z.string(), hint: z.string() })
      .exactOptional()
      .describe('why it may not be deleted'),
  })
  .meta({ id: 'DeletionPlan' });
