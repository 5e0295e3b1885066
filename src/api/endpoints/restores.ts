import * as z from 'zod';
import { operationPhases } from '../../domain/operation.ts';
import { endpoint } from '../endpoint.ts';
import { operationId, pageQuery } from '../schemas/common.ts';
import { operation } from '../schemas/operation.ts';
import { restoreFields, restorePlan } from '../schemas/restore.ts';
import { operationPage } from './operations.ts';

const params = z.strictObject({ id: operationId });

export const restoreEndpoints = {
  list: endpoint({
    method: 'GET',
    path: '/restores',
    id: 'listRestores',
    summary: 'List restores, newest first',
    access: { resource: 'restores', verb: 'list' },
    tenants: true,
    query: z.strictObject({ ...pageQuery(operationId), phase: z.enum(operationPhases).exactOptional() }),
    success: { status: 200, schema: operationPage, description: 'One page' },
    problems: [502, 503],
  }),
  plan: endpoint({
    method: 'POST',
    path: '/restores/plan',
    id: 'planRestore',
    summary: 'See what a restore would do, object by object; nothing is written',
    access: { resource: 'restores', verb: 'plan' },
    tenants: true,
    body: z.strictObject(restoreFields),
    success: { status: 200, schema: restorePlan, description: 'The plan' },
    problems: [404, 409, 422, 502, 503, 504],
    slow: true,
  }),
  create: endpoint({
    method: 'POST',
    path: '/restores',
    id: 'createRestore',
    summary: 'Bring back what a set holds',
    access: { resource: 'restores', verb: 'create' },
    tenants: true,
    body: z.strictObject({
      ...restoreFields,
      dryRun: z.boolean().default(false).describe('plan it as an operation, write nothing'),
      validate: z.boolean().default(false).describe('compare every object with the set afterwards'),
    }),
    success: { status: 202, schema: operation, description: 'Started' },
    problems: [404, 409, 422, 502, 503],
    idempotent: true,
  }),
  get: endpoint({
    method: 'GET',
    path: '/restores/:id',
    id: 'getRestore',
    summary: 'See how far a restore is, or how it ended',
    access: { resource: 'restores', verb: 'get' },
    tenants: true,
    params,
    success: { status: 200, schema: operation, description: 'The restore as it stands now' },
    problems: [404, 502, 503],
  }),
  cancel: endpoint({
    method: 'DELETE',
    path: '/restores/:id',
    id: 'cancelRestore',
    summary: 'Ask a restore to stop',
    description: 'What was restored stays; the same restore, created again, completes it.',
    access: { resource: 'restores', verb: 'delete' },
    tenants: true,
    params,
    success: { status: 202, schema: operation, description: 'Asked' },
    problems: [404, 409, 502, 503],
  }),
};
