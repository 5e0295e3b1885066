import type { ResticTuning } from '../domain/mover.ts';
import { faultOf } from './failures.ts';
import { MoverFault } from './fault.ts';
import type { Restic, ResticEnd } from './restic.ts';
import { removeUnfinished } from './unfinished-repository.ts';

export interface NewRepository {
  readonly repository: string;
  readonly tuning: ResticTuning;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * `restic init`. It puts a key and then the configuration: killed in between it leaves a key that nothing was ever sealed with, and would never
 * again make a repository there. Such a key is removed, and nothing else is.
 */
export async function createRepository(restic: Restic, options: NewRepository): Promise<void> {
  const first = await init(restic, options.tuning);
  if (first.code === 0 || isThere(first)) return;
  if (!/already contains keys/.test(first.exitText)) throw faultOf(first, 'backup');
  if (!(await removeUnfinished(options.repository, options.environment))) {
    throw new MoverFault('repository-damaged', 'the repository has lost its configuration: there are keys and data, and no file config');
  }
  const second = await init(restic, options.tuning);
  if (second.code !== 0 && !isThere(second)) throw faultOf(second, 'backup');
}

function init(restic: Restic, tuning: ResticTuning): Promise<ResticEnd> {
  return restic({ args: ['init', '--repository-version', '2', '--pack-size', `${tuning.packSize}`] });
}

/** Another mover was quicker. */
function isThere(end: ResticEnd): boolean {
  return /config file already exists|already initialized/.test(end.exitText);
}
