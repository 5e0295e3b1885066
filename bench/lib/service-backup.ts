import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './context.ts';
import type { RunningService } from './service-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly createdAt: string;
  readonly finishedAt?: string;
  readonly summary?: { readonly set?: string };
  readonly error?: unknown;
}

interface SetView {
  readonly failures: readonly unknown[];
  readonly volumes: readonly { readonly data?: { readonly durationMs: number } }[];
}

export interface DemandedBackup {
  /** From the request to the end, by the service’s own clock. */
  readonly seconds: number;
  /** The own work of each claim’s mover, seconds. */
  readonly movers: readonly number[];
}

/** Seldom, for every look is work of the service. */
const lookMs = 1_000;

/** Has a running service take a backup. Throws unless it is Completed. */
export async function demandBackup(bench: Bench, { url, token }: RunningService, body: object): Promise<DemandedBackup> {
  const call = async <T>(path: string, init: RequestInit = {}): Promise<T> => {
    const headers = { authorization: `Bearer ${token}`, ...(init.body === undefined ? {} : { 'content-type': 'application/json' }) };
    const answer = await fetch(`${url}/${path}`, { ...init, headers, signal: bench.signal });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  let operation = await call<Operation>('backups', { method: 'POST', body: JSON.stringify(body) });
  while (operation.finishedAt === undefined) {
    await sleep(lookMs, undefined, { signal: bench.signal });
    operation = await call<Operation>(`operations/${operation.id}`);
  }
  const { failures, volumes } = await call<SetView>(`backups/${operation.summary?.set}`);
  if (operation.phase !== 'Completed')
    throw new Error(`the backup ended ${operation.phase}: ${JSON.stringify([operation.error, failures])}`);
  return {
    seconds: (Date.parse(operation.finishedAt) - Date.parse(operation.createdAt)) / 1000,
    movers: volumes.map(({ data }) => (data?.durationMs ?? 0) / 1000),
  };
}
