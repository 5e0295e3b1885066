import { isObject, type Json, type JsonObject, parseJson } from '../domain/json.ts';
import { equalJson } from '../domain/json-compare.ts';

/**
 * The part of an object that a field set names (`managedFields[].fieldsV1`: `f:` members, `k:` list items by key, `v:` set items, `i:` items
 * by position, `.` the thing itself; structured-merge-diff, fieldpath/serialize-pe). Undefined where the object has nothing of it.
 */
export function ownedPart(value: Json | undefined, fields: JsonObject): Json | undefined {
  const names = Object.keys(fields).filter(name => name !== '.');
  if (names.length === 0) return value;
  if (Array.isArray(value)) return ownedItems(value, fields, names);
  if (!isObject(value)) return undefined;
  const members = names.flatMap((name): [string, Json][] => {
    if (!name.startsWith('f:')) return [];
    const key = name.slice(2);
    const member = Object.hasOwn(value, key) ? ownedPart(value[key], fieldsBelow(fields, name)) : undefined;
    return member === undefined ? [] : [[key, member]];
  });
  // Not by assignment, to which a key of a configmap that is called `__proto__` is none.
  return members.length > 0 || Object.hasOwn(fields, '.') ? Object.fromEntries(members) : undefined;
}

function ownedItems(list: readonly Json[], fields: JsonObject, names: readonly string[]): Json[] | undefined {
  const owned = new Map<number, Json>();
  for (const name of names) {
    const position = positionOf(list, name);
    const item = position < 0 ? undefined : list[position];
    if (item === undefined) continue;
    const keys = name.startsWith('k:') ? parseJson(name.slice(2)) : undefined;
    const below = fieldsBelow(fields, name);
    // `{".":{}}`: only the item's existence is owned; it is still told apart by its keys. `{}`: all of it is.
    const onlyItself = isObject(keys) && Object.keys(below).join() === '.';
    // A key that is not owned was not sent but filled in by the API server, as the protocol of a port is.
    owned.set(position, onlyItself ? keys : (ownedPart(item, below) ?? item));
  }
  return owned.size === 0 ? undefined : [...owned].sort(([a], [b]) => a - b).map(([, item]) => item);
}

function positionOf(list: readonly Json[], name: string): number {
  if (name.startsWith('i:')) return Number(name.slice(2));
  const wanted = parseJson(name.slice(2));
  if (name.startsWith('v:')) return list.findIndex(item => equalJson(item, wanted));
  if (!name.startsWith('k:') || !isObject(wanted)) return -1;
  return list.findIndex(item => isObject(item) && Object.entries(wanted).every(([key, value]) => equalJson(item[key], value)));
}

function fieldsBelow(fields: JsonObject, name: string): JsonObject {
  const below = fields[name];
  return isObject(below) ? below : {};
}
