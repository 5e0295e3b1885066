import { ledgerEndpoints } from '../endpoints/ledger.ts';
import { type Api, mount } from '../mount.ts';
import { pageQueryOf, pageView } from '../paging.ts';

export function ledgerRoutes(api: Api): void {
  mount(api, ledgerEndpoints.list, async ({ query, signal }) => {
    const { action } = query;
    const wanted = { ...pageQueryOf(query), ...(action !== undefined && { action }) };
    return pageView(await api.service.ledger(wanted, signal), entry => entry);
  });
  mount(api, ledgerEndpoints.verify, ({ query, signal }) => {
    const [seq, sha256] = query.expect?.split(':') ?? [];
    const expected = seq === undefined || sha256 === undefined ? undefined : { seq: Number(seq), sha256 };
    return api.service.verifyLedger(expected, signal);
  });
}
