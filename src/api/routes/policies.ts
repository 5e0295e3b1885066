import { HoldfastError } from '../../domain/errors.ts';
import { policyEndpoints } from '../endpoints/policies.ts';
import { type Api, mount } from '../mount.ts';

export function policyRoutes(api: Api): void {
  const { service } = api;
  mount(api, policyEndpoints.list, () => ({ items: service.policies() }));
  mount(api, policyEndpoints.get, ({ params }) => {
    const policy = service.policies().find(({ name }) => name === params.name);
    if (policy === undefined) throw new HoldfastError('POLICY_NOT_FOUND', `there is no policy ${params.name}`);
    return policy;
  });
}
