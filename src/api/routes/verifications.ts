import { HoldfastError } from '../../domain/errors.ts';
import { verificationEndpoints } from '../endpoints/verifications.ts';
import { type Api, mount } from '../mount.ts';
import { clusterFor } from '../tenancy.ts';
import { startWork } from './work.ts';

export function verificationRoutes(api: Api): void {
  mount(api, verificationEndpoints.create, async call => {
    const { set } = call.body;
    const cluster = clusterFor(call.caller, call.body.cluster);
    if (set === 'all' && cluster.cluster !== undefined) {
      throw new HoldfastError('REQUEST_CONTRADICTORY', 'all are those of every cluster; name a set, or no cluster');
    }
    const identity = await call.identity(call.body.identity);
    return startWork(api.service, call, { kind: 'verify', set, ...cluster, ...(identity !== undefined && { identity }) });
  });
}
