import { holdEndpoints, retentionEndpoints } from '../endpoints/retention.ts';
import { type Api, mount } from '../mount.ts';
import { startWork } from './work.ts';

export function retentionRoutes(api: Api): void {
  mount(api, retentionEndpoints.plan, ({ signal }) => api.service.retention.plan(signal));
  mount(api, retentionEndpoints.run, call => {
    const { confirm, beyondLimit } = call.body;
    return startWork(api.service, call, { kind: 'retention', plan: confirm, beyondLimit });
  });
}

export function holdRoutes(api: Api): void {
  const { retention } = api.service;
  mount(api, holdEndpoints.list, async ({ signal }) => ({ items: await retention.holds(signal) }));
  mount(api, holdEndpoints.put, ({ params, body, caller, signal }) => retention.hold(params.set, body.reason, caller, signal));
  mount(api, holdEndpoints.delete, async ({ params, query, caller, signal }) => {
    await retention.release(params.set, query.reason ?? '', caller, signal);
    return undefined;
  });
}
