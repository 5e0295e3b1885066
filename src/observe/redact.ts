import { masked, redactText } from '../domain/redact-text.ts';

/** Fields with such names are never shown, whatever they hold. */
const secretName =
  /authori[sz]ation|token|passw|passphrase|identity|identities|secret|cookie|credential|private[-_]?key|signing[-_]?key|api[-_]?key|access[-_]?key|webhook/i;

/** A copy of a JSON value without anything that may be a secret: by the name of its field, by its looks, or since it is bytes. */
export function redact(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return isBytes(value) ? masked : value.map(redact);
  if (isBytesObject(value)) return masked;
  return Object.fromEntries(
    Object.entries(value).map(([name, held]) => [redactText(name), secretName.test(name) && hidesSomething(held) ? masked : redact(held)]),
  );
}

function hidesSomething(held: unknown): boolean {
  return held !== null && held !== undefined && typeof held !== 'boolean';
}

/** A Buffer in JSON, and a Uint8Array, whose elements become fields. */
function isBytesObject(value: object): boolean {
  if ('type' in value && value.type === 'Buffer' && 'data' in value) return true;
  const held = Object.entries(value);
  return held.length > 0 && held.every(([name, element], index) => name === String(index) && typeof element === 'number');
}

function isBytes(values: readonly unknown[]): boolean {
  const enough = 16;
  return values.length >= enough && values.every(value => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 256);
}
