import type { IndexEntry } from '../domain/backup-set.ts';
import { isObject, type JsonObject, parseJson } from '../domain/json.ts';
import { mappedNamespace } from '../domain/namespace-mapping.ts';
import { restrainNamespace } from '../domain/pod-security.ts';
import { kindName } from '../domain/resource.ts';
import { namespaces as namespaceKind } from '../volumes/kinds.ts';
import type { Wanted } from './assess.ts';
import type { RestoreInput } from './ground.ts';

type Input = Pick<RestoreInput, 'cluster' | 'options' | 'signal'>;

export interface Allowed {
  readonly json: string;
  /** What is otherwise than the set has it. */
  readonly notes: readonly string[];
}

/** An object as it may be made for who asks: Namespaces that are made for a tenant are restrained, all else is as the set has it. */
export async function allowedObject(entry: IndexEntry, json: string, input: Input): Promise<Allowed> {
  if (input.options.forTenant !== true || kindName(entry) !== kindName(namespaceKind)) return { json, notes: [] };
  const object = parseJson(json);
  if (!isObject(object)) return { json, notes: [] };
  const notes = restrainNamespace(object, await copiedNamespace(entry.name, input));
  return { json: JSON.stringify(object), notes };
}

/** The living namespace that a restore puts a copy beside; undefined where it comes back under its own name, or lives no more. */
export async function copiedNamespace(name: string, { cluster, options, signal }: Input): Promise<JsonObject | undefined> {
  if (mappedNamespace(options.namespaceMapping, name) === name) return undefined;
  const text = await cluster.get(namespaceKind, '', name, { signal });
  const object = text === undefined ? undefined : parseJson(text);
  return isObject(object) ? object : undefined;
}

/**
 * Of what was not asked for, only needed: it is made where it is missing, by a create that cannot merge into one that has appeared meanwhile.
 */
export function onlyMade(wanted: Wanted, notes: readonly string[]): Wanted {
  const { object, statusManager } = wanted.ownership;
  const ownership =
    object.how === 'apply' ? { object: { how: 'state', entries: object.entries } as const, statusManager } : wanted.ownership;
  return { ...wanted, onlyMade: true, ownership, notes: [...wanted.notes, ...notes] };
}
