import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { label } from '../schemas/common.ts';
import { policy } from '../schemas/policy.ts';

export const policyEndpoints = {
  list: endpoint({
    method: 'GET',
    path: '/policies',
    id: 'listPolicies',
    summary: 'List policies in the order of the configuration',
    access: { resource: 'policies', verb: 'list' },
    tenants: false,
    success: { status: 200, schema: z.object({ items: z.array(policy) }).meta({ id: 'PolicyList' }), description: 'All' },
    problems: [503],
    etag: true,
  }),
  get: endpoint({
    method: 'GET',
    path: '/policies/:name',
    id: 'getPolicy',
    summary: 'Describe one policy',
    access: { resource: 'policies', verb: 'get' },
    tenants: false,
    params: z.strictObject({ name: label }),
    success: { status: 200, schema: policy, description: 'The policy' },
    problems: [404, 503],
    etag: true,
  }),
};
