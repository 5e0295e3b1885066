/** JSON as parsed. A number that a double cannot hold is a `JSON.rawJSON` object: it prints as it was read. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json | undefined;
}

// ECMAScript "JSON.parse source text access", in V8 since 11.4; TypeScript's library does not describe it yet.
interface RawJsonApi {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): value is { rawJSON: string };
}
const rawApi = JSON as unknown as RawJsonApi;

/** A number that may not survive a double: 16 digits or more, a fraction, or an exponent. May also match inside a string, which only costs time. */
const riskyNumber = /[:[,\s](?:-0|-?\d+(?:\d{15}|\.\d|[eE]))/;

/** Parses without losing a digit: integers beyond 2^53, `1.0` and `1e3` come back out of `stringify` as they went in. */
export function parseJson(text: string): Json {
  if (!riskyNumber.test(text)) return JSON.parse(text) as Json;
  return rawApi.parse(text, (_key, value, context) =>
    typeof value === 'number' && context.source !== undefined && String(value) !== context.source ? rawApi.rawJSON(context.source) : value,
  ) as Json;
}

/** The text of a number that was kept raw, else undefined. */
export function rawNumber(value: unknown): string | undefined {
  return rawApi.isRawJSON(value) ? value.rawJSON : undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !rawApi.isRawJSON(value);
}

/** Follows keys through objects; undefined as soon as one is missing. */
export function at(value: Json | undefined, ...path: string[]): Json | undefined {
  let here: Json | undefined = value;
  for (const key of path) {
    if (!isObject(here) || !Object.hasOwn(here, key)) return undefined;
    here = here[key];
  }
  return here;
}

export function stringAt(value: Json | undefined, ...path: string[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : undefined;
}
