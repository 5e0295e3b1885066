import type { Policy, ScheduledTier } from '../domain/policy.ts';
import { everything } from '../domain/selection.ts';

const hour = 3_600_000;

/** What the tiers of the default policy have in common. */
const common = {
  timeZone: 'UTC',
  suspend: false,
  startingDeadlineMs: 6 * hour,
  jitterMs: 0,
  objectives: {},
} as const satisfies Partial<ScheduledTier>;

/**
 * What is protected where nothing else is configured: the backup strategy of the platform's runbook. Each tier has everything of the one
 * before, and with it what that tier is for. Resources are always whole, since they cost seconds.
 */
export const defaultPolicies: readonly Policy[] = [
  {
    name: 'platform',
    // A day, and two hours for the backup itself and for the clock change in zones that have one.
    objectives: { rpoMs: 26 * hour, rtoMs: hour },
    suspend: false,
    initialBackup: true,
    tiers: [
      {
        ...common,
        name: 'daily',
        schedule: '0 2 * * *',
        keep: { count: 30, unit: 'day' },
        scope: { selection: everything, parts: ['resources', 'volumeSnapshots'] },
      },
      {
        ...common,
        name: 'weekly',
        schedule: '0 2 * * 0',
        keep: { count: 12, unit: 'week' },
        scope: { selection: everything, parts: ['resources', 'volumeSnapshots', 'artifacts'] },
      },
      {
        ...common,
        name: 'monthly',
        schedule: '0 2 1 * *',
        keep: { count: 12, unit: 'month' },
        scope: { selection: everything, parts: ['resources', 'volumeSnapshots', 'volumeData', 'artifacts', 'offsiteCopy'] },
      },
      { name: 'yearly', promote: { from: 'monthly', lastOf: 'year' }, keep: { count: 7, unit: 'year' } },
    ],
  },
];
