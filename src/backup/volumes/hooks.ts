import type { PodApi } from '../../cluster/pod-api.ts';
import type { ItemProblem } from '../../domain/backup-set.ts';
import { asHoldfastError, HoldfastError } from '../../domain/errors.ts';
import type { PodHooks } from './hook-plan.ts';

/** Pods that were asked to be quiet. */
export interface Quiet {
  /** Thaws every pod, once, whatever happened; may be called again. What could not be thawed is a problem that somebody has to see. */
  thaw(): Promise<readonly ItemProblem[]>;
}

export interface HookContext {
  readonly pods: PodApi;
  readonly signal: AbortSignal;
}

/** A thaw that fails is tried again: an application that stays frozen is worse than a backup that failed. */
const thawTries = 3;

/**
 * Runs the quiesce hooks of all pods at once. VOLUME_HOOK_FAILED when one fails or does not end in time; then all have been thawed, those that
 * failed too: a hook that hangs may still have frozen something.
 */
export async function quiesce(hooks: readonly PodHooks[], { pods, signal }: HookContext): Promise<Quiet> {
  let thawed: Promise<readonly ItemProblem[]> | undefined;
  const quiet: Quiet = {
    thaw: () => {
      thawed ??= Promise.all(hooks.map(hook => thaw(hook, pods))).then(all => all.flat());
      return thawed;
    },
  };
  const failures = await Promise.all(hooks.map(hook => failureOf(hook, hook.quiesce, { pods, signal })));
  const [first] = failures.filter(failure => failure !== undefined);
  if (first === undefined && !signal.aborted) return quiet;
  const still = await quiet.thaw();
  signal.throwIfAborted();
  const frozen = still.map(({ message }) => message).join('; ');
  throw new HoldfastError('VOLUME_HOOK_FAILED', `quiesce hook: ${first}${frozen === '' ? '' : `; and ${frozen}`}`);
}

async function thaw(hook: PodHooks, pods: PodApi): Promise<readonly ItemProblem[]> {
  let failure: string | undefined;
  for (let tries = 0; tries < thawTries; tries += 1) {
    // Not the caller's signal: who is interrupted thaws all the same.
    failure = await failureOf(hook, hook.thaw, { pods, signal: new AbortController().signal });
    if (failure === undefined) return [];
  }
  const message = `thaw hook: ${failure}; what the pod holds may still be frozen`;
  return [{ item: `pods ${hook.namespace}/${hook.name}`, code: 'VOLUME_HOOK_FAILED', message }];
}

async function failureOf(hook: PodHooks, command: readonly string[], { pods, signal }: HookContext): Promise<string | undefined> {
  if (command.length === 0) return undefined;
  const where = `in pods ${hook.namespace}/${hook.name} (${hook.container})`;
  try {
    const { code, stdout, stderr } = await pods.exec(hook, command, { signal, timeoutMs: hook.timeoutMs });
    if (code === 0) return undefined;
    const said = (stderr.trim() || stdout.trim()).slice(-300);
    return `${code < 0 ? 'the connection broke' : `exit code ${code}`} ${where}${said === '' ? '' : `: ${said}`}`;
  } catch (thrown) {
    const error = asHoldfastError(thrown);
    return error.code === 'TIMEOUT' ? `it did not end within ${hook.timeoutMs / 1000} s ${where}` : error.message;
  }
}
