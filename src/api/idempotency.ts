import { sha256Hex } from '../crypto/digest.ts';
import { InvalidRequest } from './problem.ts';
import type { Caller, Idempotency } from './service.ts';

export const idempotencyPattern = '^[!-~]{1,255}$';

/** What is kept of an `Idempotency-Key` and the request it came with. Neither can be read back; an identity is in none of them. */
export function idempotencyOf(caller: Caller, route: string, key: string | undefined, body: unknown): Idempotency | undefined {
  if (key === undefined) return undefined;
  if (!new RegExp(idempotencyPattern).test(key)) {
    const detail = 'must be 1 to 255 visible ASCII characters';
    throw new InvalidRequest(`Idempotency-Key ${detail}`, [{ pointer: '/headers/idempotency-key', detail }]);
  }
  const scope = [caller.actor.name, route, key];
  return { key: digest(scope), body: digest(canonical(body)) };
}

function digest(value: unknown): string {
  return sha256Hex(Buffer.from(JSON.stringify(value) ?? ''));
}

/** The body of a request for `idempotencyOf`. Of the identity, which is a field of the body itself, only its kind is left. */
export function withoutIdentity(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('identity' in body)) return body;
  return { ...body, identity: Object.keys(body.identity ?? {}) };
}

/** The same content in the same order of keys. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, inner]) => [key, canonical(inner)]);
}
