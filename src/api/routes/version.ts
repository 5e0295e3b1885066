import { versionEndpoints } from '../endpoints/version.ts';
import { type Api, mount } from '../mount.ts';

export function versionRoutes(api: Api): void {
  mount(api, versionEndpoints.get, ({ caller }) => ({ version: api.service.version, api: 'v1' as const, user: caller.actor.name }));
}
