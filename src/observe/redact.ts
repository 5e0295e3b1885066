export const masked = '[redacted]';

/** Fields with such names are never shown, whatever they hold. */
const secretName =
  /authori[sz]ation|token|passw|passphrase|identity|identities|secret|cookie|credential|private[-_]?key|signing[-_]?key|api[-_]?key|access[-_]?key|webhook/i;

/** Secrets that are known by how they look, wherever they occur. An end that was cut off hides all that follows. */
const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]+)-[A-Z0-9-]+/gi, masked],
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, masked],
  [/\b(Bearer|Basic)\s+[\w+/=.~-]{6,}/gi, `$1 ${masked}`],
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, masked],
  // Of an address: who logs in, and parameters.
  [/(\/\/)[^/\s@"']+@/g, `$1${masked}@`],
  [/\b([\w-]*(?:token|password|passwd|secret|signature|credential|api[-_]?key)[\w-]*=)[^\s&"'\\;,]+/gi, `$1${masked}`],
  // JSON in a string, however often it was quoted.
  [/(\\*"[\w-]*(?:authorization|token|password|secret|identity|cookie)[\w-]*\\*"\s*:\s*\\*")(?:[^"\\]|\\+[^"\\])+/gi, `$1${masked}`],
];

/** The text without anything that is known to be a secret. */
export function redactText(text: string): string {
  return secretTexts.reduce((clean, [pattern, instead]) => clean.replace(pattern, instead), text);
}

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
