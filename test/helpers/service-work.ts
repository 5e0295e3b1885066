import { expect } from 'vitest';
import { waitFor } from '../cluster/wait.ts';
import type { Served } from './serve-process.ts';

export interface EndedOperation {
  readonly id: string;
  readonly kind: string;
  readonly phase: string;
  readonly summary: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: string; readonly message: string };
}

/** The id of the operation that a service has begun. */
export async function accepted(response: Response): Promise<string> {
  const text = await response.text();
  expect(response.status, text).toBe(202);
  return (JSON.parse(text) as EndedOperation).id;
}

/** Waits until an operation has ended. */
export async function ended(service: Served, id: string): Promise<EndedOperation> {
  const over = async () => {
    const operation = await service.get<EndedOperation>(`operations/${id}`);
    return ['Pending', 'Running'].includes(operation.phase) ? undefined : operation;
  };
  return waitFor(`${id} has ended`, over, { timeoutMs: 150_000, intervalMs: 100 });
}

/** Asks a service for work, and waits until that has ended. */
export async function work(service: Served, path: string, body: object): Promise<EndedOperation> {
  return ended(service, await accepted(await service.send('POST', path, body)));
}

/** The values of all series whose name with labels begins so. */
export async function metrics(service: Served, prefix: string): Promise<number[]> {
  const text = await (await fetch(service.metricsUrl)).text();
  const lines = text.split('\n').filter(line => line.startsWith(prefix));
  return lines.map(line => Number(line.slice(line.lastIndexOf(' ') + 1)));
}

/** Waits for one series: metrics follow the end of an operation at once, though not before its record. */
export async function untilMetric(service: Served, name: string, is: (value: number) => boolean): Promise<void> {
  const told = async () => (await metrics(service, `${name} `)).some(is);
  await waitFor(`${name} is as it should be`, told, { timeoutMs: 60_000, intervalMs: 200 });
}
