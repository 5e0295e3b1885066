import type { ItemProblem } from '../../domain/backup-set.ts';
import type { Runtime } from '../../domain/runtime.ts';
import type { PodHooks } from '../../volumes/pod-hooks.ts';
import type { Quiet } from './hooks.ts';

export interface QuietContext {
  readonly runtime: Pick<Runtime, 'sleep'>;
  /** The longest that pods are quiet. */
  readonly quietMs: number;
  readonly signal: AbortSignal;
}

/**
 * Thaws pods once what is read is read, and earlier where that takes too long or the backup is interrupted: an application that stands still
 * for hours is worse than files of different moments. `isQuiet` says whether they have been quiet up to now.
 */
export async function whileQuiet(
  quiet: Quiet,
  { runtime, quietMs, signal }: QuietContext,
  read: (isQuiet: () => boolean) => Promise<unknown>,
): Promise<readonly ItemProblem[]> {
  const done = new AbortController();
  let thawed = false;
  const bound = runtime.sleep(quietMs, AbortSignal.any([done.signal, signal])).then(
    () => true,
    () => !done.signal.aborted,
  );
  const early = bound.then(async isEarly => {
    thawed = isEarly;
    if (isEarly) await quiet.thaw();
  });
  try {
    await read(() => !thawed);
  } finally {
    done.abort();
    await early;
    await quiet.thaw();
  }
  return quiet.thaw();
}

/** What there is to say of hooks that were to keep their pods quiet for all of it, and could not. */
export function cutShort(hooks: readonly PodHooks[], quietMs: number): readonly ItemProblem[] {
  return hooks
    .filter(({ quiesce, onError }) => quiesce.length > 0 && onError === 'fail')
    .map(({ namespace, name }) => ({
      item: `pods ${namespace}/${name}`,
      code: 'VOLUME_HOOK_FAILED',
      message: `thawed after ${quietMs / 1000} s, before its volumes were read to their end, since they are read without a snapshot: their files are of different moments`,
    }));
}
