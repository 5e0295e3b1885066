import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { clusterRef, setRef } from '../schemas/common.ts';
import { operation } from '../schemas/operation.ts';
import { claimRestore, fileList, filesRequest, olderThanMs, orphanList, removedOrphans, volumeList } from '../schemas/volume-work.ts';

const params = z.strictObject({ set: setRef });

export const volumeEndpoints = {
  list: endpoint({
    method: 'GET',
    path: '/backups/:set/volumes',
    id: 'listVolumes',
    summary: 'List the volume claims of a set: what it has of each, and why not more',
    access: { resource: 'backups', verb: 'get' },
    tenants: true,
    params,
    query: z.strictObject({ cluster: clusterRef.exactOptional() }),
    success: { status: 200, schema: volumeList, description: 'All' },
    problems: [404, 409, 422, 502, 503],
  }),
  files: endpoint({
    method: 'POST',
    path: '/backups/:set/volumes/files',
    id: 'listVolumeFiles',
    summary: 'List the files of a volume as a set has them; nothing is restored',
    access: { resource: 'restores', verb: 'plan' },
    tenants: true,
    params,
    body: filesRequest,
    success: { status: 200, schema: fileList, description: 'What lies in the folder' },
    problems: [404, 409, 422, 502, 503, 504],
    slow: true,
  }),
  restore: endpoint({
    method: 'POST',
    path: '/restores/volumes',
    id: 'createVolumeRestore',
    summary: 'Bring the data of one claim back: into a new claim, or into the one that is there',
    description: 'An operation like other restores: `GET /restores/:id` follows it.',
    access: { resource: 'restores', verb: 'create' },
    tenants: true,
    body: claimRestore,
    success: { status: 202, schema: operation, description: 'Started' },
    problems: [404, 409, 422, 502, 503],
    idempotent: true,
  }),
  orphans: endpoint({
    method: 'GET',
    path: '/volumes/orphans',
    id: 'listVolumeOrphans',
    summary: 'Find what backups and restores of volumes have left in the cluster and nobody needs any more',
    access: { resource: 'retention', verb: 'get' },
    tenants: false,
    query: z.strictObject({ olderThanMs: olderThanMs.describe('younger ones may still be worked with') }),
    success: { status: 200, schema: orphanList, description: 'All' },
    problems: [502, 503],
    slow: true,
  }),
  removeOrphans: endpoint({
    method: 'POST',
    path: '/volumes/orphans/removals',
    id: 'removeVolumeOrphans',
    summary: 'Remove what nobody needs any more',
    description: 'What is left over is looked for anew; the answer says what was found and what became of it.',
    access: { resource: 'retention', verb: 'create' },
    tenants: false,
    body: z.strictObject({ olderThanMs }),
    success: { status: 200, schema: removedOrphans, description: 'What was removed' },
    problems: [502, 503],
    slow: true,
  }),
};
