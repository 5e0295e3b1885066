import type { Endpoint } from '../endpoint.ts';
import { apiPrefix } from '../endpoints.ts';
import { wipe } from '../identity.ts';
import type { Call } from '../mount.ts';
import { type OperationView, operationView } from '../schemas/operation.ts';
import type { Service, Work } from '../service.ts';

/** Starts work for a request: 202 with the operation, and where to follow it. The identity in it is the service’s from here on. */
export async function startWork<E extends Endpoint>(service: Service, call: Call<E>, work: Work): Promise<OperationView> {
  const { caller, idempotency, signal } = call;
  try {
    const operation = await service.operations.start(work, caller, { signal, ...(idempotency !== undefined && { idempotency }) });
    call.header('location', `${apiPrefix}/operations/${operation.request.id}`);
    call.header('retry-after', '1');
    return operationView(operation);
  } catch (thrown) {
    if ('identity' in work) wipe(work.identity);
    throw thrown;
  }
}
