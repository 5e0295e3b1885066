import { HoldfastError } from '../domain/errors.ts';
import type { Progress } from '../domain/runtime.ts';
import { type DeleteOptions, deleteSet, finishDeletion } from '../repository/delete-set.ts';
import { type DeletionPlan, type DeletionPlanOptions, readDeletionPlan, refusalNow } from './deletion-plan.ts';
import type { DeletionRefusal } from './deletion-rules.ts';

export interface DeletionOptions
  extends Omit<DeletionPlanOptions, 'without'>,
    Pick<DeleteOptions, 'signingKey' | 'actor' | 'record' | 'fence'> {
  /** Why somebody wants it gone, for the ledger. */
  readonly reason?: string | undefined;
  readonly progress: Progress;
}

/** What has gone. */
export interface Deletion extends Pick<DeletionPlan, 'set' | 'files' | 'storedBytes' | 'volumes' | 'objects'> {
  /** `cleared`: the rest of a set whose deletion had been interrupted. */
  readonly result: 'deleted' | 'cleared';
}

/**
 * Deletes one set that somebody asks for, by the same steps as retention: it is whole or gone wherever this is interrupted, and the same call goes
 * on. BACKUP_NOT_FOUND, BACKUP_HELD, BACKUP_IN_USE, BACKUP_NEEDED; NOT_LEADER, STORE_ codes.
 */
export async function deleteByHand(id: string, options: DeletionOptions): Promise<Deletion> {
  const { repository, runtime, progress, signal, trusted, signingKey, actor, record, fence } = options;
  progress({ phase: 'delete', detail: id });
  const plan = await readDeletionPlan(id, options);
  if (plan.refusal !== undefined) throw refused(plan.refusal);
  const gone = {
    ...{ set: id, files: plan.files, storedBytes: plan.storedBytes, volumes: plan.volumes },
    ...(plan.objects !== undefined && { objects: plan.objects }),
  };
  const by = { signal, trusted, signingKey, actor, record, fence, now: runtime.now() };
  if (plan.phase === 'Deleting') {
    await finishDeletion(repository, id, by);
    return { ...gone, result: 'cleared' };
  }
  let late: DeletionRefusal | undefined;
  const kept = await deleteSet(repository, id, reasonsOf(plan, options), {
    ...by,
    damaged: true,
    doing: async () => {
      late = await refusalNow(id, options);
      return late?.message;
    },
  });
  if (late !== undefined) throw refused(late);
  if (kept !== undefined) {
    const { refusal } = await readDeletionPlan(id, options);
    throw refusal === undefined ? new HoldfastError('BACKUP_IN_USE', `${id} was not deleted: ${kept}`) : refused(refusal);
  }
  return { ...gone, result: 'deleted' };
}

export function refused({ code, message, hint }: DeletionRefusal): HoldfastError {
  return new HoldfastError(code, message, { hint });
}

function reasonsOf({ keptBy }: DeletionPlan, { reason }: DeletionOptions): string[] {
  const asked = reason === undefined ? 'somebody asked for it' : `somebody asked for it: ${reason}`;
  return keptBy.length === 0 ? [asked] : [asked, `otherwise kept: ${keptBy.join('; ')}`];
}
