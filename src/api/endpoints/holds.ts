import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { hold } from '../schemas/backup.ts';
import { clusterRef, setRef } from '../schemas/common.ts';

const params = z.strictObject({ set: setRef });

export const holdEndpoints = {
  list: endpoint({
    method: 'GET',
    path: '/holds',
    id: 'listHolds',
    summary: 'List the sets that retention may not delete',
    access: { resource: 'holds', verb: 'list' },
    tenants: false,
    success: { status: 200, schema: z.object({ items: z.array(hold) }).meta({ id: 'HoldList' }), description: 'All' },
    problems: [502, 503],
  }),
  put: endpoint({
    method: 'PUT',
    path: '/holds/:set',
    id: 'holdSet',
    summary: 'Keep a set until it is released',
    access: { resource: 'holds', verb: 'update' },
    tenants: false,
    params,
    body: z.strictObject({ reason: z.string().min(1).max(1_000), cluster: clusterRef.exactOptional() }),
    success: { status: 200, schema: hold, description: 'Held' },
    problems: [404, 502, 503],
  }),
  delete: endpoint({
    method: 'DELETE',
    path: '/holds/:set',
    id: 'releaseSet',
    summary: 'Let retention have a set again',
    access: { resource: 'holds', verb: 'delete' },
    tenants: false,
    params,
    query: z.strictObject({
      reason: z.string().min(1).max(1_000).exactOptional().describe('why it need not be held any more; the ledger keeps it'),
      cluster: clusterRef.exactOptional(),
    }),
    success: { status: 204, schema: z.undefined(), description: 'Released' },
    problems: [404, 502, 503],
  }),
};
