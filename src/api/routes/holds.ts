import { holdEndpoints } from '../endpoints/holds.ts';
import { type Api, mount } from '../mount.ts';
import { clusterFor } from '../tenancy.ts';

export function holdRoutes(api: Api): void {
  const { retention } = api.service;
  mount(api, holdEndpoints.list, async ({ signal }) => ({ items: await retention.holds(signal) }));
  mount(api, holdEndpoints.put, ({ params, body, caller, signal }) =>
    retention.hold({ ...params, ...clusterFor(caller, body.cluster) }, body.reason, caller, signal),
  );
  mount(api, holdEndpoints.delete, async ({ params, query, caller, signal }) => {
    await retention.release({ ...params, ...clusterFor(caller, query.cluster) }, query.reason ?? '', caller, signal);
    return undefined;
  });
}
