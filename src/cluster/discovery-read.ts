import { isObject, type Json, type JsonObject } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';

/** One version of a group, as discovery describes it. */
export interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly kinds: readonly ResourceKind[];
  /** Why it could not be described, or not for certain. */
  readonly problem?: string;
}

/** The objects of a list; none where there is no list. */
export function itemsOf(value: Json | undefined, key: string): JsonObject[] {
  const list = isObject(value) ? value[key] : undefined;
  return Array.isArray(list) ? list.filter(isObject) : [];
}

export function strings(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : [];
}
