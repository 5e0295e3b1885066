import type { Runtime } from '../domain/runtime.ts';

/**
 * Collects all garbage of this thread at once, and gives its memory back to the system. Left to itself, the heap of a service that has little to
 * do keeps what its start took. It stands still meanwhile, for a seventh of a second with 40 MB.
 */
export async function giveMemoryBack(): Promise<void> {
  // A session within the process: no port is opened. `gc()` is there only for who starts Node with a flag that every program in it would see.
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.collectGarbage');
  } finally {
    session.disconnect();
  }
}

const collectAfterMs = 1_000;

/** Wishes for a collection: a moment later there is one for all that came until then. */
export function collector(runtime: Pick<Runtime, 'sleep'>, signal: AbortSignal): () => void {
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    void runtime.sleep(collectAfterMs, signal).then(
      () => {
        isWaiting = false;
        return giveMemoryBack();
      },
      () => {},
    );
  };
}
