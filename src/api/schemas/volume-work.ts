import * as z from 'zod';
import type { ClaimRequest } from '../../domain/claim-request.ts';
import { claimName, clusterRef, count, identity, namespaceName, setRef, shortText, storageClasses, volumeSize } from './common.ts';
import { volume } from './volume.ts';

export const claimPlace = z.strictObject({ namespace: namespaceName, claim: claimName }).meta({ id: 'ClaimPlace' });

export const volumeList = z.object({ items: z.array(volume) }).meta({ id: 'VolumeList' });

const volumePath = shortText(4_096).regex(/^\//);

export const filesRequest = z.strictObject({
  namespace: namespaceName,
  claim: claimName,
  path: volumePath.default('/').describe('a folder of the volume'),
  recursive: z.boolean().default(false).describe('everything below it too'),
  from: z.int().min(0).max(1_000_000_000).default(0).describe('files to pass over; their order is always the same'),
  cluster: clusterRef.exactOptional(),
  identity: identity.exactOptional(),
});

export const mostFiles = 10_000;

export const fileList = z
  .object({
    items: z.array(
      z.object({
        path: z.string(),
        type: z.enum(['file', 'dir', 'symlink', 'dev', 'chardev', 'fifo', 'socket', 'irregular']),
        size: count.exactOptional(),
        mode: z.string(),
        uid: count,
        gid: count,
        modified: z.string(),
      }),
    ),
    truncated: z.boolean().describe(`there are more than these ${mostFiles}: ask again, \`from\` where they end`),
  })
  .meta({ id: 'VolumeFiles' });

export const claimRestore = z.strictObject({
  set: setRef,
  cluster: clusterRef.exactOptional(),
  from: claimPlace.describe('in the set'),
  to: claimPlace.exactOptional().describe('on the cluster; the same unless told'),
  inPlace: z.boolean().default(false).describe('write into the claim that is there'),
  include: z.array(volumePath).max(1_000).default([]).describe('only these files and folders'),
  deleteOthers: z.boolean().default(false).describe('remove what the set does not have; only in place'),
  scaleDown: z.boolean().default(false).describe('scale down what uses the claim, and up again; only in place'),
  storageClasses: storageClasses.default({}),
  size: volumeSize.exactOptional(),
  identity: identity.exactOptional(),
});

export function claimRequestOf({
  set: _set,
  cluster: _cluster,
  identity: _identity,
  ...request
}: z.output<typeof claimRestore>): ClaimRequest {
  return request;
}

const orphan = z.object({
  kind: z.string(),
  namespace: z.string(),
  name: z.string(),
  role: z.string(),
  work: z.string(),
  claim: z.string(),
  ageMs: count,
  reason: z.string(),
});

export const orphanList = z.object({ items: z.array(orphan), notices: z.array(z.string()) }).meta({ id: 'OrphanList' });

export const removedOrphans = z
  .object({
    items: z.array(z.object({ orphan, removed: z.boolean(), reason: z.string(), code: z.string().exactOptional() })),
    notices: z.array(z.string()),
  })
  .meta({ id: 'RemovedOrphans' });

export const olderThanMs = z.coerce.number<number | string>().int().min(60_000).max(31_536_000_000).default(86_400_000);
