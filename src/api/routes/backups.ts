import { HoldfastError } from '../../domain/errors.ts';
import { selectionReaches } from '../../domain/namespace-scope.ts';
import { everything } from '../../domain/selection.ts';
import { backupEndpoints } from '../endpoints/backups.ts';
import { type Api, mount } from '../mount.ts';
import { pageQueryOf, pageView } from '../paging.ts';
import { backupView, summaryView } from '../schemas/backup.ts';
import { clusterFor, requireOwnNamespaces, scopeOf, takenFor } from '../tenancy.ts';
import { startWork } from './work.ts';

export function backupRoutes(api: Api): void {
  const { service } = api;
  mount(api, backupEndpoints.list, async ({ query, caller, signal }) => {
    const { tier, phase, policy } = query;
    const page = await service.backups.list(
      {
        ...pageQueryOf(query),
        ...(tier !== undefined && { tier }),
        ...(phase !== undefined && { phase }),
        ...(policy !== undefined && { policy }),
        ...scopeOf(caller),
      },
      signal,
    );
    return pageView(page, summary => summaryView(summary, caller));
  });

  mount(api, backupEndpoints.get, async ({ params, query, caller, signal }) => {
    const includeNamespaces = query.namespaces?.split(',') ?? [];
    requireOwnNamespaces(caller, includeNamespaces, 'namespaces');
    const { clusterScoped = everything.clusterScoped } = query;
    const wanted = { ...everything, includeNamespaces, clusterScoped };
    const details = await service.backups.get(params.set, { wanted, ...clusterFor(caller, query.cluster), ...scopeOf(caller) }, signal);
    // To whom nothing of it can belong it is not there.
    if (caller.namespaces !== undefined && !selectionReaches(details.manifest.selection, caller.namespaces)) throw noSuchBackup(params.set);
    return backupView(details, caller);
  });

  mount(api, backupEndpoints.objects, async ({ params, query, caller, signal }) => {
    const { cluster: given, from, limit } = query;
    let { set } = params;
    const cluster = clusterFor(caller, given);
    if (caller.namespaces !== undefined) {
      const { manifest } = await service.backups.get(set, { ...cluster, ...scopeOf(caller) }, signal);
      if (!selectionReaches(manifest.selection, caller.namespaces)) throw noSuchBackup(set);
      set = manifest.id;
    }
    const items = await service.backups.objects(set, { from, limit, ...cluster, ...scopeOf(caller) }, signal);
    return { items: items.map(({ gone: _, ...entry }) => entry), next: from + items.length };
  });

  mount(api, backupEndpoints.deletion, ({ params, query, signal }) =>
    service.retention.planDeletion(params.set, query.without?.split(',') ?? [], signal),
  );

  mount(api, backupEndpoints.delete, call => {
    const { reason } = call.query;
    return startWork(service, call, { kind: 'delete', set: call.params.set, ...(reason !== undefined && { reason }) });
  });

  mount(api, backupEndpoints.create, call => {
    const { policy, tier, selection, volumes } = call.body;
    // A tier’s own selection may go beyond the caller’s namespaces, so that theirs is always spelled out.
    const own = selection !== undefined || call.caller.namespaces !== undefined;
    return startWork(service, call, {
      kind: 'backup',
      ...(policy !== undefined && { policy }),
      ...(tier !== undefined && { tier }),
      ...(own && { selection: takenFor(call.caller, selection) }),
      ...(volumes !== undefined && { volumes }),
    });
  });
}

function noSuchBackup(set: string): HoldfastError {
  return new HoldfastError('BACKUP_NOT_FOUND', `there is no backup ${set}`);
}
