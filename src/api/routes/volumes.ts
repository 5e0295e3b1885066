import { checkRequest } from '../../domain/claim-request.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { scopeContains, selectionReaches } from '../../domain/namespace-scope.ts';
import { volumeEndpoints } from '../endpoints/volumes.ts';
import { wipe } from '../identity.ts';
import { type Api, mount } from '../mount.ts';
import { claimRequestOf, mostFiles } from '../schemas/volume-work.ts';
import { clusterFor, requireOwnNamespaces, scopeOf } from '../tenancy.ts';
import { startWork } from './work.ts';

export function volumeRoutes(api: Api): void {
  const { service } = api;

  mount(api, volumeEndpoints.list, async ({ params, query, caller, signal }) => {
    const choice = { ...clusterFor(caller, query.cluster), ...scopeOf(caller) };
    const { manifest } = await service.backups.get(params.set, choice, signal);
    const { namespaces: own } = caller;
    if (own === undefined) return { items: [...manifest.volumes] };
    if (!selectionReaches(manifest.selection, own)) throw new HoldfastError('BACKUP_NOT_FOUND', `there is no backup ${params.set}`);
    return { items: manifest.volumes.filter(({ namespace }) => scopeContains(own, namespace)) };
  });

  mount(api, volumeEndpoints.files, async call => {
    const { namespace, claim, path, recursive, from } = call.body;
    requireOwnNamespaces(call.caller, [namespace], 'namespace');
    const identity = await call.identity(call.body.identity);
    try {
      const request = {
        set: call.params.set,
        ...clusterFor(call.caller, call.body.cluster),
        claim: { namespace, claim },
        path,
        recursive,
        from,
        most: mostFiles + 1,
        ...scopeOf(call.caller),
      };
      const items = await service.volumes.files({ ...request, ...(identity !== undefined && { identity }) }, call.signal);
      return { items: items.slice(0, mostFiles), truncated: items.length > mostFiles };
    } finally {
      wipe(identity);
    }
  });

  mount(api, volumeEndpoints.restore, async call => {
    const request = claimRequestOf(call.body);
    const { from, to = from } = request;
    requireOwnNamespaces(call.caller, [from.namespace, to.namespace], 'from and to');
    checked(() => checkRequest(request));
    const cluster = clusterFor(call.caller, call.body.cluster);
    const identity = await call.identity(call.body.identity);
    return startWork(service, call, {
      kind: 'volume-restore',
      set: call.body.set,
      ...cluster,
      request,
      ...(identity !== undefined && { identity }),
    });
  });

  mount(api, volumeEndpoints.orphans, async ({ query, signal }) => {
    const { orphans, notices } = await service.volumes.orphans(query.olderThanMs, signal);
    return { items: [...orphans], notices: [...notices] };
  });

  mount(api, volumeEndpoints.removeOrphans, async ({ body, caller, signal }) => {
    const { removed, notices } = await service.volumes.removeOrphans(body.olderThanMs, caller, signal);
    return { items: [...removed], notices: [...notices] };
  });
}

/** What a command calls a wrong use is a contradiction of fields here. */
function checked(check: () => void): void {
  try {
    check();
  } catch (thrown) {
    throw new HoldfastError('REQUEST_CONTRADICTORY', (thrown as Error).message);
  }
}
