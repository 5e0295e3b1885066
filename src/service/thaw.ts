import { asHoldfastError } from '../domain/errors.ts';
import type { Term, World } from './world.ts';

const delayMs = 30_000;

/** Thaws the pods that a run which was killed has left frozen; an API server that is away is waited for. */
export async function thawLeft({ log, runtime }: Pick<World, 'log' | 'runtime'>, { volumes }: Term, signal: AbortSignal): Promise<void> {
  while (volumes !== undefined && !signal.aborted) {
    try {
      const { thawed, problems } = await volumes.frozen.thawLeft({ signal });
      for (const message of thawed) log.warn({ message }, 'a pod that was left frozen was thawed');
      for (const { item, message } of problems) log.error({ item, message }, 'a pod may still be frozen');
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      const error = asHoldfastError(thrown);
      log.warn({ err: error }, 'whether pods were left frozen could not be found out');
      if (!error.retryable) return;
      await runtime.sleep(delayMs, signal).catch(() => {});
    }
  }
}
