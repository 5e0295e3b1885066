import type { PodApi } from '../../cluster/pod-api.ts';
import type { ItemProblem } from '../../domain/backup-set.ts';
import { asHoldfastError, HoldfastError } from '../../domain/errors.ts';
import type { FrozenPods } from '../../volumes/frozen-pods.ts';
import { type PodHooks, runHook, runThaw } from '../../volumes/pod-hooks.ts';

/** Pods that were asked to be quiet. */
export interface Quiet {
  /** Thaws every pod, once, whatever happened; may be called again. What could not be thawed is a problem that somebody has to see. */
  thaw(): Promise<readonly ItemProblem[]>;
  /** Hooks that failed and were to be passed over, each in a sentence. */
  readonly passedOver: readonly string[];
}

export interface QuiesceContext {
  readonly pods: PodApi;
  readonly frozen: FrozenPods;
  /** Id of the set. */
  readonly work: string;
  readonly signal: AbortSignal;
}

/**
 * Notes which pods will be frozen, then runs the quiesce hooks of all of them at once. VOLUME_HOOK_FAILED when one fails or does not end in time
 * that is not to be passed over; then all have been thawed, those that failed too: a hook that hangs may still have frozen something.
 */
export async function quiesce(hooks: readonly PodHooks[], context: QuiesceContext): Promise<Quiet> {
  const { signal } = context;
  let thawed: Promise<readonly ItemProblem[]> | undefined;
  const passedOver: string[] = [];
  const quiet: Quiet = {
    passedOver,
    thaw: () => {
      thawed ??= Promise.all(hooks.map(hook => thaw(hook, context))).then(all => all.flat());
      return thawed;
    },
  };
  await noteAll(hooks.filter(freezes), context);
  const results = await Promise.all(hooks.map(async hook => ({ hook, failure: await runHook(hook, hook.quiesce, context) })));
  const failures = results.filter(({ failure }) => failure !== undefined);
  passedOver.push(...failures.filter(({ hook }) => hook.onError === 'continue').map(({ failure }) => `quiesce hook: ${failure}`));
  const first = failures.find(({ hook }) => hook.onError === 'fail')?.failure;
  if (first === undefined && !signal.aborted) return quiet;
  const still = await quiet.thaw();
  signal.throwIfAborted();
  const frozen = still.map(({ message }) => message).join('; ');
  throw new HoldfastError('VOLUME_HOOK_FAILED', `quiesce hook: ${first}${frozen === '' ? '' : `; and ${frozen}`}`);
}

/** Only then is there something to thaw, and a way to do it. */
function freezes({ quiesce: words, thaw: back }: PodHooks): boolean {
  return words.length > 0 && back.length > 0;
}

/** All or none: a pod that nobody would know of is not frozen. */
async function noteAll(hooks: readonly PodHooks[], { frozen, work, signal }: QuiesceContext): Promise<void> {
  const results = await Promise.allSettled(hooks.map(hook => frozen.note(work, hook, signal)));
  const failed = results.find(({ status }) => status === 'rejected');
  if (failed === undefined) return;
  await Promise.all(hooks.map(hook => frozen.forget(work, hook)));
  signal.throwIfAborted();
  const { message } = asHoldfastError((failed as PromiseRejectedResult).reason);
  throw new HoldfastError('VOLUME_HOOK_FAILED', `no pod was frozen, since it could not be noted which: ${message}`);
}

async function thaw(hook: PodHooks, { pods, frozen, work }: QuiesceContext): Promise<readonly ItemProblem[]> {
  const failure = await runThaw(hook, pods);
  if (failure !== undefined) return [{ item: `pods ${hook.namespace}/${hook.name}`, code: 'VOLUME_HOOK_FAILED', message: failure }];
  if (freezes(hook)) await frozen.forget(work, hook);
  return [];
}
