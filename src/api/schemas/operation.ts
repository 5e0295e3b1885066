import * as z from 'zod';
import { clusterName } from '../../domain/cluster-identity.ts';
import { type Operation, operationKinds, operationPhases } from '../../domain/operation.ts';
import { count, time } from './common.ts';

const json = z.record(z.string(), z.unknown());

export const actor = z.object({ name: z.string(), via: z.enum(['schedule', 'api', 'cli', 'service']) }).meta({ id: 'Actor' });

export const operation = z
  .object({
    id: z.string(),
    kind: z.enum(operationKinds),
    phase: z.enum(operationPhases).describe('Pending and Running are under way; all others are final'),
    subject: z.string(),
    actor,
    createdAt: time,
    startedAt: time.exactOptional(),
    finishedAt: time.exactOptional(),
    parameters: json.describe('what was asked for, without any identity'),
    namespaces: z.array(z.string()).exactOptional().describe('that the actor was restricted to'),
    cluster: z.string().exactOptional().describe('whose service it is an operation of, by the UID of its kube-system namespace'),
    progress: z
      .object({
        phase: z.string(),
        detail: z.string().exactOptional(),
        objects: count.exactOptional(),
        totalObjects: count.exactOptional(),
        bytes: count.exactOptional(),
      })
      .exactOptional(),
    summary: json.exactOptional().describe('the result; absent until it has ended'),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).exactOptional(),
  })
  .meta({ id: 'Operation' });
export type OperationView = z.output<typeof operation>;

/** An operation as the API shows it: flat, and without the digests of its idempotency key. */
export function operationView({ request, phase, startedAt, progress, result }: Operation): OperationView {
  const { id, kind, subject, actor: by, createdAt, parameters, namespaces, cluster } = request;
  const started = startedAt ?? result?.startedAt;
  return {
    ...{ id, kind, phase, subject, actor: by, createdAt, parameters },
    ...(started !== undefined && { startedAt: started }),
    ...(namespaces !== undefined && { namespaces: [...namespaces] }),
    ...(cluster !== undefined && { cluster: clusterName(cluster) }),
    ...(result === undefined
      ? progress !== undefined && { progress }
      : { finishedAt: result.finishedAt, summary: result.summary, ...(result.error !== undefined && { error: result.error }) }),
  };
}

export const logLine = z.object({ at: time, level: z.enum(['info', 'warn', 'error']), message: z.string() });
