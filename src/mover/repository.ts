import type { MoverAction } from '../domain/mover.ts';
import { faultOf, resticExits } from './failures.ts';
import type { Restic, ResticCall, ResticEnd } from './restic.ts';

/** What a mover may do for a run that the repository’s state stands in the way of. */
export interface RepositoryOptions {
  readonly action: MoverAction;
  /** Makes the repository where there is none. */
  readonly create?: (() => Promise<void>) | undefined;
}

/**
 * Runs restic, and mends what its exit code says and nothing else, so that the usual case costs one start of restic: a repository that is not
 * there is made, and locks of a mover that was killed are removed. The caller holds the Lease of the repository, so that no lock is of anybody
 * who lives. Rejects with a MoverFault unless restic succeeded.
 */
export async function runInRepository(restic: Restic, call: ResticCall, options: RepositoryOptions): Promise<ResticEnd> {
  let end = await restic(call);
  if (end.code === resticExits.repositoryMissing && options.create !== undefined) {
    await options.create();
    end = await restic(call);
  }
  if (end.code === resticExits.locked) {
    const unlocked = await restic({ args: ['unlock', '--remove-all'] });
    if (unlocked.code !== 0) throw faultOf(unlocked, options.action);
    end = await restic({ ...call, args: ['--retry-lock', '1m', ...call.args] });
  }
  if (end.code !== 0) throw faultOf(end, options.action);
  return end;
}
