import type { Work } from '../operations/job.ts';
import { beginUse, type UseKind } from '../repository/uses.ts';
import type { World } from './world.ts';

/**
 * The work, and that it reads this set, or `all`, told in the repository for as long as it goes on: to people who delete by hand, and to services that ask
 * others for nothing. Not through the fence: it says what this process does, also after another has taken the lead.
 */
export function whileUsed({ repository, runtime }: Pick<World, 'repository' | 'runtime'>, kind: UseKind, set: string, work: Work): Work {
  return async context => {
    const { operation, signal, log } = context;
    const onTrouble = (why: string) => log('warn', why);
    const { id, actor } = operation;
    const use = await beginUse(repository, set, { kind, by: actor.name, operation: id, runtime, signal, onTrouble });
    try {
      return await work(context);
    } finally {
      // Before the operation has ended: whoever has waited for that may delete the set.
      await use.close();
    }
  };
}
