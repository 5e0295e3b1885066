import { HoldfastError } from '../../domain/errors.ts';
import { isEnded, type Operation } from '../../domain/operation.ts';
import type { Endpoint } from '../endpoint.ts';
import { operationEndpoints } from '../endpoints/operations.ts';
import { type Api, type Call, mount } from '../mount.ts';
import { pageQueryOf, pageView } from '../paging.ts';
import { operationView } from '../schemas/operation.ts';
import type { OperationQuery, Service } from '../service.ts';
import { seesOperation } from '../tenancy.ts';

export function operationRoutes(api: Api): void {
  const { service } = api;
  mount(api, operationEndpoints.list, call => listOperations(service, call, call.query));

  mount(api, operationEndpoints.get, call => showOperation(service, call, call.params.id));

  mount(api, operationEndpoints.log, async call => {
    const { from, limit } = call.query;
    await visibleOperation(service, call, call.params.id);
    const lines = await service.operations.log(call.params.id, { from, limit }, call.signal);
    return { lines, next: from + lines.length };
  });

  mount(api, operationEndpoints.cancel, call => cancelOperation(service, call, call.params.id));
}

type OperationCall = Pick<Call<Endpoint>, 'caller' | 'signal' | 'header'>;

export async function listOperations(
  service: Service,
  { caller, signal }: OperationCall,
  query: { readonly limit: number; readonly continue?: string } & Pick<OperationQuery, 'kind' | 'phase'>,
) {
  const { kind, phase } = query;
  const page = await service.operations.list(
    {
      ...pageQueryOf(query),
      ...(kind !== undefined && { kind }),
      ...(phase !== undefined && { phase }),
      ...(caller.namespaces !== undefined && { within: caller.namespaces }),
    },
    signal,
  );
  return pageView({ ...page, items: page.items.filter(operation => seesOperation(caller, operation)) }, operationView);
}

/** The operation, if there is one and the caller may know of it. OPERATION_NOT_FOUND in both other cases. */
export async function visibleOperation(
  service: Service,
  { caller, signal }: OperationCall,
  id: string,
  kind?: Operation['request']['kind'],
): Promise<Operation> {
  const operation = await service.operations.get(id, signal);
  if (operation === undefined || !seesOperation(caller, operation) || (kind !== undefined && operation.request.kind !== kind)) {
    throw new HoldfastError('OPERATION_NOT_FOUND', `there is no ${kind ?? 'operation'} ${id}`);
  }
  return operation;
}

export async function showOperation(service: Service, call: OperationCall, id: string, kind?: Operation['request']['kind']) {
  const operation = await visibleOperation(service, call, id, kind);
  if (!isEnded(operation.phase)) call.header('retry-after', '1');
  return operationView(operation);
}

export async function cancelOperation(service: Service, call: OperationCall, id: string, kind?: Operation['request']['kind']) {
  await visibleOperation(service, call, id, kind);
  return operationView(await service.operations.cancel(id, call.caller, call.signal));
}
