import { scopeContains } from '../../domain/namespace-scope.ts';
import { operationView } from '../schemas/operation.ts';
import type { Caller, ServiceEvent } from '../service.ts';
import { seesOperation } from '../tenancy.ts';

const mostBytes = 16 * 1024;

/** One event as it goes over the wire, made once for all readers. */
export interface Message {
  /** Absent where it does not matter if it is missed. */
  readonly id?: string;
  readonly bytes: Buffer;
  seenBy(caller: Caller): boolean;
}

/** Without an id where it does not matter if it is missed. Details too large for a stream are left to the resource’s own route. */
export function messageOf(event: ServiceEvent, id?: string): Message {
  const { type, at, operation, data } = event;
  const full = JSON.stringify({ at, ...(operation !== undefined && { operation: operationView(operation) }), ...data });
  const text = Buffer.byteLength(full) <= mostBytes ? full : JSON.stringify({ at, ...shortened(event) });
  return { ...(id !== undefined && { id }), bytes: frame(type, text, id), seenBy: caller => sees(caller, event) };
}

/** HTML Living Standard §9.2.6. JSON has no line breaks, so that one `data` line is enough. */
export function frame(type: string, data: string, id?: string): Buffer {
  return Buffer.from(`${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${data}\n\n`);
}

function shortened({ operation }: ServiceEvent) {
  if (operation === undefined) return { shortened: true };
  const { id, kind, phase, subject, actor, createdAt } = operationView(operation);
  return { shortened: true, operation: { id, kind, phase, subject: subject.slice(0, 1_000), actor, createdAt, parameters: {} } };
}

function sees(caller: Caller, { operation, namespaces }: ServiceEvent): boolean {
  const own = caller.namespaces;
  if (own === undefined) return true;
  if (operation !== undefined) return seesOperation(caller, operation);
  return namespaces !== undefined && namespaces.length > 0 && namespaces.every(namespace => scopeContains(own, namespace));
}
