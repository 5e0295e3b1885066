import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { objectiveStatus } from '../schemas/policy.ts';

export const objectiveEndpoints = {
  list: endpoint({
    method: 'GET',
    path: '/objectives',
    id: 'listObjectives',
    summary: 'See how well every policy and tier keeps what it promises',
    access: { resource: 'objectives', verb: 'list' },
    tenants: false,
    success: { status: 200, schema: z.object({ items: z.array(objectiveStatus) }).meta({ id: 'ObjectiveList' }), description: 'All' },
    problems: [502, 503],
  }),
};
