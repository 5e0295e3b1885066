import type { Config } from '../config/load.ts';
import { selectionFrom } from '../config/selection-schema.ts';
import type { ServiceConfig } from '../config/service.ts';
import { partsWith } from '../domain/policy.ts';
import type { ServiceRules } from '../service/world.ts';

/** What a running service goes by, of a configuration that may change. */
export function rulesOf({ settings, policies }: Config, { retention, operationsKeptMs, catalogRefreshMs }: ServiceConfig): ServiceRules {
  return {
    ...{ policies, operationsKeptMs, catalogRefreshMs },
    ...{ maxShare: retention.maxShare, adopted: retention.clusters, retentionSchedule: retention.schedule },
    manual: {
      selection: selectionFrom(settings.selection ?? {}),
      parts: partsWith(['resources'], settings.volumes?.capture ?? 'none'),
    },
    platformChecks: async () => {
      const { platformChecks } = await import('../validate/platform-checks.ts');
      return platformChecks(settings.validation ?? {});
    },
  };
}
