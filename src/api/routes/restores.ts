import { restoreEndpoints } from '../endpoints/restores.ts';
import { wipe } from '../identity.ts';
import { type Api, mount } from '../mount.ts';
import type { RestoreFields } from '../schemas/restore.ts';
import type { Caller, RestoreRequest } from '../service.ts';
import { clusterFor, mappingFor, requireOwnNamespaces, selectionFor } from '../tenancy.ts';
import { cancelOperation, listOperations, showOperation } from './operations.ts';
import { startWork } from './work.ts';

export function restoreRoutes(api: Api): void {
  const { service } = api;

  mount(api, restoreEndpoints.list, call => listOperations(service, call, { ...call.query, kind: 'restore' }));

  mount(api, restoreEndpoints.plan, async call => {
    const request = restoreRequest(call.caller, call.body);
    const identity = await call.identity(call.body.identity);
    try {
      return await service.planRestore({ ...request, ...(identity !== undefined && { identity }) }, call.caller, call.signal);
    } finally {
      wipe(identity);
    }
  });

  mount(api, restoreEndpoints.create, async call => {
    const { dryRun, validate } = call.body;
    const request = restoreRequest(call.caller, call.body);
    const identity = await call.identity(call.body.identity);
    return startWork(service, call, { kind: 'restore', dryRun, validate, ...request, ...(identity !== undefined && { identity }) });
  });

  mount(api, restoreEndpoints.get, call => showOperation(service, call, call.params.id, 'restore'));

  mount(api, restoreEndpoints.cancel, call => cancelOperation(service, call, call.params.id, 'restore'));
}

/** Kept to the caller’s namespaces. REQUEST_FORBIDDEN, USAGE. */
function restoreRequest(caller: Caller, body: RestoreFields): Omit<RestoreRequest, 'identity'> {
  const { set, existing, nodePorts, storageClasses, volumeSizes, volumes } = body;
  // What a size is refused for tells of the data.
  requireOwnNamespaces(
    caller,
    Object.keys(volumeSizes ?? {}).map(key => key.split('/')[0] ?? ''),
    'volumeSizes',
  );
  const options = {
    selection: selectionFor(caller, body.selection),
    namespaceMapping: mappingFor(caller, body.namespaceMapping),
    existing,
    ...(nodePorts !== undefined && { nodePorts }),
    ...(storageClasses !== undefined && { storageClasses }),
    ...(volumeSizes !== undefined && { volumeSizes }),
    ...(volumes !== undefined && { volumes }),
    ...(caller.namespaces !== undefined && { forTenant: true as const }),
  };
  return { set, ...clusterFor(caller, body.cluster), options };
}
