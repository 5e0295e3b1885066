import type { Work as AskedWork } from '../api/service.ts';
import { isCode } from '../domain/errors.ts';
import type { Actor, OperationRequest } from '../domain/operation.ts';
import type { Work } from '../operations/job.ts';
import { manifestKey } from '../repository/layout.ts';
import { deleteByHand, refused } from '../schedule/delete-by-hand.ts';
import { type DeletionPlan, type DeletionPlanOptions, readDeletionPlan } from '../schedule/deletion-plan.ts';
import type { Prepared } from './job.ts';
import { readSets } from './retention-planner.ts';
import { currentTerm, type World } from './world.ts';

/** One after the other: each must see what the one before has left. Retention, which may go on for hours with volumes, leaves alone what is deleted here. */
const lane = 'delete';

/** Looked at again before anything is deleted. BACKUP_NOT_FOUND, STORE_ codes. */
export function planDeletion(world: World, set: string, without: readonly string[], signal: AbortSignal): Promise<DeletionPlan> {
  return readDeletionPlan(set, { ...planning(world, signal), without });
}

/** BACKUP_NOT_FOUND, BACKUP_HELD, BACKUP_IN_USE and BACKUP_NEEDED before the job is accepted. */
export async function deleteJob(
  world: World,
  { set, reason }: Extract<AskedWork, { kind: 'delete' }>,
  actor: Actor,
  signal: AbortSignal,
): Promise<Prepared> {
  const { refusal } = await planDeletion(world, set, [], signal);
  if (refusal !== undefined) throw refused(refusal);
  return {
    submission: { kind: 'delete', subject: set, actor, lane, parameters: { set, ...(reason !== undefined && { reason }) } },
    work: deleteWork(world),
  };
}

/** Goes on with a deletion that another process began. */
export function resumeDeletion(world: World, { kind }: OperationRequest): { work: Work; lane: string } | undefined {
  return kind === 'delete' ? { work: deleteWork(world), lane } : undefined;
}

function deleteWork(world: World): Work {
  return async ({ operation, signal, progress, log }) => {
    const { repository, fence, signal: term } = currentTerm(world);
    const { signingKey } = world.keys;
    const { set, reason } = operation.parameters as { readonly set: string; readonly reason?: string };
    try {
      const deletion = await deleteByHand(set, {
        ...planning(world, signal),
        ...{ repository, signingKey, actor: operation.actor, fence, reason, progress },
        record: async fact => {
          fence.check();
          await world.ledger.append(fact);
        },
      });
      world.catalog.forget(set);
      log('info', `${set}: ${deletion.result}`);
      return { phase: 'Completed', summary: { ...deletion } };
    } catch (thrown) {
      // It was there when this was accepted: retention, or whoever began this before, has deleted it.
      if (isCode(thrown, 'BACKUP_NOT_FOUND')) {
        world.catalog.forget(set);
        log('info', `${set}: gone already`);
        return { phase: 'Completed', summary: { set, result: 'cleared', files: 0, storedBytes: 0, volumes: [] } };
      }
      await forgetIfGone(world, set, term);
      throw thrown;
    }
  };
}

/** It may have been called off half-way, and what is gone from sight is no set. */
async function forgetIfGone({ repository, catalog, log }: World, set: string, signal: AbortSignal): Promise<void> {
  try {
    if ((await repository.store.head(manifestKey(set), { signal })) === undefined) catalog.forget(set);
  } catch (thrown) {
    log.warn({ err: thrown, set }, 'whether a set is gone after a deletion that failed could not be found out');
  }
}

function planning(world: World, signal: AbortSignal): DeletionPlanOptions {
  const { repository, runtime, catalog } = world;
  const { policies } = world.rules();
  const sets: DeletionPlanOptions['sets'] = async how => {
    if (how?.anew === true) await catalog.refresh({ signal });
    return catalog.sets();
  };
  return { repository, runtime, policies, trusted: world.keys.trusted, busy: () => readSets(world, signal), sets, signal };
}
