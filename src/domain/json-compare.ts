import { isObject, type Json, type JsonObject, rawNumber } from './json.ts';
import type { FieldDifference } from './restore-plan.ts';

const longestValue = 200;

/** JSON with sorted keys: two values are equal, to the last digit, exactly when their canonical texts are. */
export function canonicalJson(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    if (value[key] !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  }
  return `{${members.join(',')}}`;
}

export function equalJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => equalJson(item, b[i]));
  if (isObject(a)) {
    if (!isObject(b)) return false;
    const keys = Object.keys(a).filter(key => a[key] !== undefined);
    return keys.length === Object.keys(b).filter(key => b[key] !== undefined).length && keys.every(key => equalJson(a[key], own(b, key)));
  }
  const raw = rawNumber(a);
  return raw !== undefined && raw === rawNumber(b);
}

/**
 * Where two values differ, as deep as possible, at most `limit` places. Items of lists are compared by position. With `hide`, values are left
 * out: only the paths are told.
 */
export function differences(
  wanted: Json | undefined,
  live: Json | undefined,
  options: { readonly limit?: number; readonly hide?: boolean } = {},
): FieldDifference[] {
  const found: FieldDifference[] = [];
  const limit = options.limit ?? 50;
  const note = (path: string, a: Json | undefined, b: Json | undefined): void => {
    if (options.hide) found.push({ path });
    else found.push({ path, ...(a === undefined ? {} : { wanted: excerpt(a) }), ...(b === undefined ? {} : { live: excerpt(b) }) });
  };
  const walk = (path: string, a: Json | undefined, b: Json | undefined): void => {
    if (found.length >= limit || equalJson(a, b)) return;
    if (isObject(a) && isObject(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) walk(`${path}/${escapePointer(key)}`, own(a, key), own(b, key));
    } else if (Array.isArray(a) && Array.isArray(b)) {
      for (let i = 0; i < Math.max(a.length, b.length); i++) walk(`${path}/${i}`, a[i], b[i]);
    } else note(path, a, b);
  };
  walk('', wanted, live);
  return found;
}

/** A member may be called `toString`. */
function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** One step of a JSON pointer (RFC 6901 §3). */
export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function excerpt(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= longestValue ? text : `${text.slice(0, longestValue)}…`;
}
