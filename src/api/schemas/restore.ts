import * as z from 'zod';
import { restoreActions, restoreSteps } from '../../domain/restore-plan.ts';
import { clusterRef, count, identity, namespaceMapping, selectionRequest, setRef, storageClasses, volumeSizes } from './common.ts';

/** What a plan and a restore have in common. */
export const restoreFields = {
  set: setRef,
  cluster: clusterRef.exactOptional(),
  selection: selectionRequest.exactOptional(),
  namespaceMapping: namespaceMapping.exactOptional(),
  existing: z
    .enum(['skip', 'update', 'recreate'])
    .default('skip')
    .describe('objects that are there and differ: leave them, write the set’s fields, or delete them first'),
  nodePorts: z.enum(['keep', 'reassign']).exactOptional(),
  storageClasses: storageClasses.exactOptional(),
  volumeSizes: volumeSizes.exactOptional(),
  volumes: z.enum(['data', 'none']).exactOptional().describe('`none` creates claims empty, on purpose'),
  identity: identity.exactOptional(),
};
export type RestoreFields = z.output<z.ZodObject<typeof restoreFields>>;

const counts = z.object(
  Object.fromEntries(restoreActions.map(action => [action, count])) as Record<(typeof restoreActions)[number], typeof count>,
);

export const restorePlan = z
  .object({
    backup: z.string(),
    server: z.string(),
    existing: z.enum(['skip', 'update', 'recreate']),
    namespaceMapping: z.record(z.string(), z.string()),
    steps: z.array(
      z.object({
        step: z.enum(restoreSteps),
        counts,
        objects: z.array(
          z.object({
            kind: z.string(),
            namespace: z.string(),
            name: z.string(),
            action: z.enum(restoreActions),
            reason: z.string().exactOptional(),
            differences: z
              .array(z.object({ path: z.string(), wanted: z.string().exactOptional(), live: z.string().exactOptional() }))
              .exactOptional(),
          }),
        ),
      }),
    ),
    totals: counts,
    volumes: z
      .array(
        z.object({
          namespace: z.string(),
          claim: z.string(),
          source: z.enum(['snapshot', 'repository', 'none']),
          action: z.enum(['fill', 'empty', 'keep', 'fail']),
          reason: z.string(),
          code: z.string().exactOptional(),
          volume: z.string().exactOptional().describe('the volume that is there and gets the data, where nothing makes one'),
          bytes: count,
        }),
      )
      .describe('the data of claims, where the set says anything of them'),
    problems: z.array(
      z.object({
        severity: z.enum(['failed', 'warning']),
        item: z.string(),
        code: z.string(),
        message: z.string(),
        objects: count.exactOptional(),
      }),
    ),
    digest: z.string().describe('two plans with the same one do the same'),
  })
  .describe('What a restore would do, in order. Nothing was written to make it.')
  .meta({ id: 'RestorePlan' });
