import type { Policy } from '../domain/policy.ts';
import { PolicyMap, policiesFrom } from './policy-schema.ts';

/**
 * What is protected where nothing else is configured, as a file would say it: the backup strategy of the platform's runbook. Each tier has
 * everything of the one before, and with it what that tier is for; resources are always whole, since they cost seconds. The objective allows
 * for a day, the backup itself and a clock change.
 */
export const defaultPolicyMap = {
  platform: {
    objectives: { rpo: '26h', rto: '1h' },
    timeZone: 'UTC',
    tiers: {
      daily: { schedule: '0 2 * * *', keep: '30d', parts: ['resources', 'volumeSnapshots'] },
      weekly: { schedule: '0 2 * * 0', keep: '12w', parts: ['resources', 'volumeSnapshots', 'artifacts'] },
      monthly: { schedule: '0 2 1 * *', keep: '12mo', parts: ['resources', 'volumeSnapshots', 'volumeData', 'artifacts', 'offsiteCopy'] },
      yearly: { promote: { from: 'monthly', lastOf: 'year' }, keep: '7y' },
    },
  },
} as const;

/** The default policy with everything filled in. */
export const defaultPolicies: readonly Policy[] = policiesFrom(PolicyMap.parse(defaultPolicyMap));
