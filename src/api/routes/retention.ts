import { retentionEndpoints } from '../endpoints/retention.ts';
import { type Api, mount } from '../mount.ts';
import { startWork } from './work.ts';

export function retentionRoutes(api: Api): void {
  mount(api, retentionEndpoints.plan, ({ signal }) => api.service.retention.plan(signal));
  mount(api, retentionEndpoints.run, call => {
    const { confirm, beyondLimit } = call.body;
    return startWork(api.service, call, { kind: 'retention', plan: confirm, beyondLimit });
  });
}
