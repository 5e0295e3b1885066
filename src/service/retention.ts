import type { Caller, Hold, Retention } from '../api/service.ts';
import { HoldfastError } from '../domain/errors.ts';
import { hold, listHolds, release } from '../repository/holds.ts';
import { planDeletion } from './delete-jobs.ts';
import { findSet } from './restore-jobs.ts';
import type { Planner } from './retention-planner.ts';
import { currentTerm, record, type World } from './world.ts';

export function retentionOf(world: World, planner: Planner): Retention {
  const read = (signal: AbortSignal) => ({ trusted: world.keys.trusted, signal });
  const write = (reason: string, { actor }: Caller, signal: AbortSignal) => ({
    ...read(signal),
    ...{ signingKey: world.keys.signingKey, reason, by: actor.name, now: world.runtime.now() },
  });
  return {
    plan: async signal => (await planner.now(signal)).plan,
    planDeletion: (set, without, signal) => planDeletion(world, set, without, signal),
    holds: signal => listHolds(world.repository, read(signal)),
    hold: async ({ set: text, cluster }, reason, caller, signal): Promise<Hold> => {
      const { repository } = currentTerm(world);
      const set = await findSet(world, text, { cluster, within: caller.namespaces, signal });
      const held = await hold(repository, set, write(reason, caller, signal));
      await record(world, { action: 'set.held', actor: caller.actor, subject: set, details: { reason } });
      return held;
    },
    release: async ({ set: text, cluster }, reason, caller, signal) => {
      const { repository } = currentTerm(world);
      const known = cluster === undefined && world.catalog.get(text) !== undefined;
      const set = known ? text : await findSet(world, text, { cluster, within: caller.namespaces, signal }).catch(notHeld(text));
      // Recorded first: what protects a set must not go without a trace.
      currentTerm(world);
      const details = reason === '' ? {} : { reason };
      await world.ledger.append({ action: 'set.released', actor: caller.actor, subject: set, details }, { signal });
      await release(repository, set, write(reason, caller, signal));
    },
  };
}

function notHeld(text: string): (thrown: unknown) => never {
  return thrown => {
    if (thrown instanceof HoldfastError && thrown.code === 'BACKUP_NOT_FOUND') {
      throw new HoldfastError('HOLD_NOT_FOUND', `${JSON.stringify(text)} is no set, so it is not held`, { cause: thrown });
    }
    throw thrown;
  };
}
