import { ledgerEndpoints, versionEndpoints } from '../endpoints/service.ts';
import { type Api, mount } from '../mount.ts';
import { pageQueryOf, pageView } from '../paging.ts';

export function ledgerRoutes(api: Api): void {
  mount(api, ledgerEndpoints.list, async ({ query, signal }) => {
    const { action } = query;
    const wanted = { ...pageQueryOf(query), ...(action !== undefined && { action }) };
    return pageView(await api.service.ledger(wanted, signal), entry => entry);
  });
}

export function versionRoutes(api: Api): void {
  mount(api, versionEndpoints.get, ({ caller }) => ({ version: api.service.version, api: 'v1' as const, user: caller.actor.name }));
}
