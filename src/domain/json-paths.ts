import { at, isObject, type Json, type JsonObject } from './json.ts';

/** A compiled JSON pointer in which `*` stands for every member of an object or item of a list. */
export type JsonPath = readonly string[];

export function jsonPath(pointer: string): JsonPath {
  return pointer
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Takes away what lies at `path` and satisfies `matches`. Tells whether anything was there. */
export function removeAt(root: JsonObject, path: JsonPath, matches: (value: Json) => boolean = () => true): boolean {
  const last = path.at(-1);
  if (last === undefined) return false;
  let removed = false;
  for (const parent of containers(root, path.slice(0, -1))) {
    if (Array.isArray(parent)) removed = (last === '*' && removeItems(parent, matches)) || removed;
    else {
      for (const key of last === '*' ? Object.keys(parent) : [last]) {
        const value = Object.hasOwn(parent, key) ? parent[key] : undefined;
        if (value === undefined || !matches(value)) continue;
        delete parent[key];
        removed = true;
      }
    }
  }
  return removed;
}

/** Replaces every string at `path` by what `change` makes of it. */
export function changeStringsAt(root: JsonObject, path: JsonPath, change: (text: string) => string): void {
  const last = path.at(-1);
  if (last === undefined) return;
  for (const parent of containers(root, path.slice(0, -1))) {
    if (Array.isArray(parent)) {
      parent.forEach((item, i) => {
        if (last === '*' && typeof item === 'string') parent[i] = change(item);
      });
    } else {
      for (const key of last === '*' ? Object.keys(parent) : [last]) {
        const value = Object.hasOwn(parent, key) ? parent[key] : undefined;
        if (typeof value === 'string') parent[key] = change(value);
      }
    }
  }
}

function removeItems(list: Json[], matches: (value: Json) => boolean): boolean {
  const kept = list.filter(item => !matches(item));
  const removed = kept.length < list.length;
  list.splice(0, list.length, ...kept);
  return removed;
}

function containers(root: JsonObject, path: JsonPath): (JsonObject | Json[])[] {
  if (!path.includes('*')) {
    const only = at(root, ...path);
    return isObject(only) || Array.isArray(only) ? [only] : [];
  }
  let here: Json[] = [root];
  for (const step of path) {
    here = here.flatMap(value => {
      if (Array.isArray(value)) return step === '*' ? value : [];
      if (!isObject(value)) return [];
      if (step === '*') return Object.values(value).filter(member => member !== undefined);
      const member = Object.hasOwn(value, step) ? value[step] : undefined;
      return member === undefined ? [] : [member];
    });
  }
  return here.filter(value => Array.isArray(value) || isObject(value));
}
