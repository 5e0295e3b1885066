import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { backup, backupSummary, indexEntry, volumeCapture } from '../schemas/backup.ts';
import { clusterRef, label, namespaceGlobs, pageOf, pageQuery, selectionRequest, setId, setRef } from '../schemas/common.ts';
import { deletionPlan } from '../schemas/deletion.ts';
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
    query: z.strictObject({
      namespaces: namespaceGlobs
        .exactOptional()
        .describe('what `latest`, a day or a time must hold: these, with commas between; else a whole cluster'),
      clusterScoped: z
        .enum(['auto', 'always', 'never'])
        .exactOptional()
        .describe('with `always` they must hold what belongs to no namespace, too'),
      cluster: clusterRef.exactOptional(),
    }),
    success: { status: 200, schema: backup, description: 'The set' },
    problems: [404, 409, 422, 502, 503],
    etag: true,
  }),
  objects: endpoint({
    method: 'GET',
    path: '/backups/:set/objects',
    id: 'listBackupObjects',
    summary: 'List the objects of a set in the order of its archive: names, digests and sizes, never contents',
    description: 'Not possible where the index is sealed: IDENTITY_MISSING.',
    access: { resource: 'backups', verb: 'get' },
    tenants: true,
    params: z.strictObject({ set: setRef }),
    query: z.strictObject({
      from: z.coerce.number<number | string>().int().min(0).max(100_000_000).default(0).describe('objects to pass over'),
      limit: z.coerce.number<number | string>().int().min(1).max(5_000).default(1_000),
      cluster: clusterRef.exactOptional(),
    }),
    success: {
      status: 200,
      schema: z
        .object({ items: z.array(indexEntry), next: z.int().min(0).describe('the `from` of what follows') })
        .meta({ id: 'ObjectPage' }),
      description: 'One page',
    },
    problems: [404, 409, 422, 502, 503],
    slow: true,
  }),
  create: endpoint({
    method: 'POST',
    path: '/backups',
    id: 'createBackup',
    summary: 'Take a backup now',
    description:
      'Scope and label are those of the tier, or what the configuration says of a backup by hand; selection and volumes are those of the request where it has them.',
    access: { resource: 'backups', verb: 'create' },
    tenants: true,
    body: z.strictObject({
      policy: label.exactOptional(),
      tier: label.exactOptional(),
      selection: selectionRequest.exactOptional(),
      volumes: volumeCapture.exactOptional(),
    }),
    success: { status: 202, schema: operation, description: 'Started' },
    problems: [404, 409, 422, 502, 503],
    idempotent: true,
  }),
  deletion: endpoint({
    method: 'GET',
    path: '/backups/:set/deletion',
    id: 'getDeletionPlan',
    summary: 'See what would go with one set, what keeps it, and why it may not be deleted; nothing is',
    access: { resource: 'retention', verb: 'get' },
    tenants: false,
    params: z.strictObject({ set: setId }),
    query: z.strictObject({
      without: z
        .string()
        .regex(/^[0-9A-Za-z-]{1,96}(?:,[0-9A-Za-z-]{1,96}){0,99}$/)
        .exactOptional()
        .describe('up to 100 sets that are to go before it, with commas between: they stand for nothing any more'),
    }),
    success: { status: 200, schema: deletionPlan, description: 'The plan' },
    problems: [404, 502, 503],
    slow: true,
  }),
  delete: endpoint({
    method: 'DELETE',
    path: '/backups/:set',
    id: 'deleteBackup',
    summary: 'Delete one set',
    description:
      'Takes a full id: what `latest` or a day means changes. What is held, in use, or the newest complete set of a policy, a tier or a cluster is refused; how long its tier would keep it does not matter.',
    access: { resource: 'backups', verb: 'delete' },
    tenants: false,
    params: z.strictObject({ set: setId }),
    query: z.strictObject({ reason: z.string().min(1).max(1_000).exactOptional().describe('why it shall go; the ledger keeps it') }),
    success: { status: 202, schema: operation, description: 'Started' },
    problems: [404, 409, 502, 503],
    idempotent: true,
    slow: true,
  }),
};
