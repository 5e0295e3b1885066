import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { sha256 } from '../schemas/common.ts';
import { operation } from '../schemas/operation.ts';
import { retentionPlan } from '../schemas/policy.ts';

export const retentionEndpoints = {
  plan: endpoint({
    method: 'GET',
    path: '/retention/plan',
    id: 'getRetentionPlan',
    summary: 'See which sets stay and which go, and why; nothing is deleted',
    access: { resource: 'retention', verb: 'get' },
    tenants: false,
    success: { status: 200, schema: retentionPlan, description: 'The plan' },
    problems: [502, 503],
    large: true,
  }),
  run: endpoint({
    method: 'POST',
    path: '/retention/runs',
    id: 'runRetention',
    summary: 'Delete what a plan says',
    description: 'Takes the digest of the plan that was looked at, and deletes that or nothing.',
    access: { resource: 'retention', verb: 'create' },
    tenants: false,
    body: z.strictObject({
      confirm: sha256.describe('`digest` of the plan'),
      beyondLimit: z.boolean().default(false).describe('let this run delete more than its share'),
    }),
    success: { status: 202, schema: operation, description: 'Started' },
    problems: [409, 502, 503],
    idempotent: true,
  }),
};
