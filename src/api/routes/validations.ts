import { HoldfastError } from '../../domain/errors.ts';
import { validationEndpoints } from '../endpoints/validations.ts';
import { type Api, mount } from '../mount.ts';
import { clusterFor, mappingFor, selectionFor } from '../tenancy.ts';
import { startWork } from './work.ts';

export function validationRoutes(api: Api): void {
  mount(api, validationEndpoints.create, async call => {
    const { set, platform, storageClasses = {}, volumeSizes = {} } = call.body;
    const selection = selectionFor(call.caller, call.body.selection);
    const namespaceMapping = mappingFor(call.caller, call.body.namespaceMapping);
    if (platform && call.caller.namespaces !== undefined) {
      throw new HoldfastError('REQUEST_FORBIDDEN', 'platform concerns the whole cluster');
    }
    const cluster = clusterFor(call.caller, call.body.cluster);
    const identity = await call.identity(call.body.identity);
    const work = { kind: 'validate', set, ...cluster, selection, namespaceMapping, storageClasses, volumeSizes, platform } as const;
    return startWork(api.service, call, { ...work, ...(identity !== undefined && { identity }) });
  });
}
