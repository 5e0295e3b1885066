import { verificationEndpoints } from '../endpoints/verifications.ts';
import { type Api, mount } from '../mount.ts';
import { startWork } from './work.ts';

export function verificationRoutes(api: Api): void {
  mount(api, verificationEndpoints.create, async call => {
    const identity = await call.identity(call.body.identity);
    return startWork(api.service, call, { kind: 'verify', set: call.body.set, ...(identity !== undefined && { identity }) });
  });
}
