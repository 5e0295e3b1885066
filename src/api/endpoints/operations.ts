import * as z from 'zod';
import { operationKinds, operationPhases } from '../../domain/operation.ts';
import { endpoint } from '../endpoint.ts';
import { operationId, pageOf, pageQuery } from '../schemas/common.ts';
import { logLine, operation } from '../schemas/operation.ts';

const params = z.strictObject({ id: operationId });

export const operationPage = pageOf('OperationPage', operation);

export const operationEndpoints = {
  list: endpoint({
    method: 'GET',
    path: '/operations',
    id: 'listOperations',
    summary: 'List operations, newest first',
    access: { resource: 'operations', verb: 'list' },
    tenants: true,
    query: z.strictObject({
      ...pageQuery(operationId),
      kind: z.enum(operationKinds).exactOptional(),
      phase: z.enum(operationPhases).exactOptional(),
    }),
    success: { status: 200, schema: operationPage, description: 'One page' },
    problems: [502, 503],
  }),
  get: endpoint({
    method: 'GET',
    path: '/operations/:id',
    id: 'getOperation',
    summary: 'See how far an operation is, or how it ended',
    description: 'While it is under way, Retry-After says when to ask again.',
    access: { resource: 'operations', verb: 'get' },
    tenants: true,
    params,
    success: { status: 200, schema: operation, description: 'The operation as it stands now' },
    problems: [404, 502, 503],
  }),
  log: endpoint({
    method: 'GET',
    path: '/operations/:id/log',
    id: 'getOperationLog',
    summary: 'Read what an operation logged, oldest first',
    access: { resource: 'operations', verb: 'get' },
    tenants: true,
    params,
    query: z.strictObject({
      from: z.coerce.number<number | string>().int().min(0).max(10_000_000).default(0).describe('lines to pass over'),
      limit: z.coerce.number<number | string>().int().min(1).max(5_000).default(1_000),
    }),
    success: {
      status: 200,
      schema: z
        .object({ lines: z.array(logLine), next: z.int().min(0).describe('the `from` of what follows') })
        .meta({ id: 'OperationLog' }),
      description: 'Its lines',
    },
    problems: [404, 502, 503],
  }),
  cancel: endpoint({
    method: 'DELETE',
    path: '/operations/:id',
    id: 'cancelOperation',
    summary: 'Ask an operation to stop',
    description: 'It ends as Cancelled soon; what it did before stays.',
    access: { resource: 'operations', verb: 'delete' },
    tenants: true,
    params,
    success: { status: 202, schema: operation, description: 'Asked' },
    problems: [404, 409, 502, 503],
  }),
};
