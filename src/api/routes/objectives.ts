import { objectiveEndpoints } from '../endpoints/objectives.ts';
import { type Api, mount } from '../mount.ts';

export function objectiveRoutes(api: Api): void {
  mount(api, objectiveEndpoints.list, async ({ signal }) => ({ items: await api.service.objectives(signal) }));
}
