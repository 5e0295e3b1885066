import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { backup, backupSummary } from '../schemas/backup.ts';
import { label, pageOf, pageQuery, selectionRequest, setId, setRef } from '../schemas/common.ts';
import { operation } from '../schemas/operation.ts';

export const backupEndpoints = {
  list: endpoint({
    method: 'GET',
    path: '/backups',
    id: 'listBackups',
    summary: 'List backup sets, newest first',
    access: { resource: 'backups', verb: 'list' },
    tenants: true,
    query: z.strictObject({
      ...pageQuery(setId),
      tier: label.exactOptional(),
      phase: z.enum(['Completed', 'PartiallyFailed', 'Unreadable']).exactOptional(),
      policy: label.exactOptional(),
    }),
    success: { status: 200, schema: pageOf('BackupPage', backupSummary), description: 'One page' },
    problems: [502, 503],
  }),
  get: endpoint({
    method: 'GET',
    path: '/backups/:set',
    id: 'getBackup',
    summary: 'Describe one backup set: its manifest, who signed it, what it lacks, how long it is kept',
    access: { resource: 'backups', verb: 'get' },
    tenants: true,
    params: z.strictObject({ set: setRef }),
    success: { status: 200, schema: backup, description: 'The set' },
    problems: [404, 409, 422, 502, 503],
    etag: true,
  }),
  create: endpoint({
    method: 'POST',
    path: '/backups',
    id: 'createBackup',
    summary: 'Take a backup now',
    description: 'Scope and label are those of the tier, the selection is that of the request where it has one.',
    access: { resource: 'backups', verb: 'create' },
    tenants: true,
    body: z.strictObject({
      policy: label.exactOptional(),
      tier: label.exactOptional(),
      selection: selectionRequest.exactOptional(),
    }),
    success: { status: 202, schema: operation, description: 'Started' },
    problems: [404, 409, 422, 502, 503],
    idempotent: true,
  }),
};
