import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './context.ts';
import type { RunningService } from './service-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly finishedAt?: string;
  readonly error?: unknown;
}

const lookMs = 20;

/** Has a running service delete one set. Seconds from the request until its end can be seen. Throws unless it is Completed. */
export async function demandDeletion(bench: Bench, { url, token }: RunningService, set: string): Promise<number> {
  const call = async (path: string, method: 'GET' | 'DELETE'): Promise<Operation> => {
    const answer = await fetch(`${url}/${path}`, { method, headers: { authorization: `Bearer ${token}` }, signal: bench.signal });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Operation;
  };
  const begun = performance.now();
  let operation = await call(`backups/${set}`, 'DELETE');
  while (operation.finishedAt === undefined) {
    await sleep(lookMs, undefined, { signal: bench.signal });
    operation = await call(`operations/${operation.id}`, 'GET');
  }
  if (operation.phase !== 'Completed') throw new Error(`the deletion ended ${operation.phase}: ${JSON.stringify(operation.error)}`);
  return (performance.now() - begun) / 1000;
}
