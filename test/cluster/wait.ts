import { setTimeout as delay } from 'node:timers/promises';
import type { GuardedProcess } from './guarded-process.ts';

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Asks until the answer is neither false nor undefined nor an exception; after `timeoutMs` throws, with the last exception as cause. */
export async function waitFor<T>(what: string, ask: () => Promise<T | false | undefined>, options: WaitOptions): Promise<T> {
  const end = Date.now() + options.timeoutMs;
  let last: unknown;
  while (true) {
    options.signal?.throwIfAborted();
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer;
    } catch (thrown) {
      if (thrown instanceof Fatal) throw thrown;
      last = thrown;
    }
    if (Date.now() >= end) {
      const why = last instanceof Error ? `: ${last.message}` : '';
      throw new Error(`${what}: not within ${options.timeoutMs} ms${why}`, { cause: last });
    }
    await delay(options.intervalMs ?? 50, undefined, options.signal ? { signal: options.signal } : {});
  }
}

/** Like Promise.all, but rejects only when all have ended: what comes up late can then be stopped, too. */
export async function allEnded<T extends readonly unknown[]>(works: { readonly [K in keyof T]: Promise<T[K]> }): Promise<T> {
  await Promise.allSettled(works);
  return (await Promise.all(works)) as unknown as T;
}

/** Ends a wait at once: asking again cannot help. */
export class Fatal extends Error {}

/** A server died before it was ready; `portTaken` when another process had its port. */
export class ServerExited extends Fatal {
  readonly portTaken: boolean;

  constructor(name: string, log: string) {
    super(`${name} exited before it was ready:\n${log}`);
    this.portTaken = /\b(address|port) (is )?already in use/i.test(log);
  }
}

/** Like `waitFor`, but throws ServerExited as soon as the server is gone, and puts its log into the error. */
export async function waitForServer(server: GuardedProcess, ask: () => Promise<boolean>, options: WaitOptions): Promise<void> {
  const alive = async () => {
    if (!server.running()) throw new ServerExited(server.name, await server.logTail());
    return ask();
  };
  try {
    await waitFor(`${server.name} ready`, alive, options);
  } catch (thrown) {
    if (thrown instanceof Fatal || options.signal?.aborted) throw thrown;
    throw new Error(`${(thrown as Error).message}\n${await server.logTail()}`, { cause: thrown });
  }
}

/** Runs `start` again, with other ports, when another process took the port in between. */
export async function retryOnTakenPort<T>(start: () => Promise<T>, attempts = 5): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (thrown) {
      if (!(thrown instanceof ServerExited && thrown.portTaken) || attempt >= attempts) throw thrown;
    }
  }
}
