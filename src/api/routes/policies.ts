import { HoldfastError } from '../../domain/errors.ts';
import { isScheduled, type Policy } from '../../domain/policy.ts';
import { policyEndpoints } from '../endpoints/policies.ts';
import { type Api, mount } from '../mount.ts';

export function policyRoutes(api: Api): void {
  const { service } = api;
  mount(api, policyEndpoints.list, () => ({ items: service.policies().map(withoutCommands) }));
  mount(api, policyEndpoints.get, ({ params }) => {
    const policy = service.policies().find(({ name }) => name === params.name);
    if (policy === undefined) throw new HoldfastError('POLICY_NOT_FOUND', `there is no policy ${params.name}`);
    return withoutCommands(policy);
  });
}

/** Hooks are for who may read the configuration. */
function withoutCommands(policy: Policy): Policy {
  const tiers = policy.tiers.map(tier => {
    if (!isScheduled(tier)) return tier;
    const { hooks: _, ...scope } = tier.scope;
    return { ...tier, scope };
  });
  return { ...policy, tiers };
}
