import { isObject, type JsonObject } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';
import { compileSelection, type Selection } from '../domain/selection.ts';
import { type ObjectSummary, objectRules } from './exclusions.ts';

/** Undefined to keep the object, else the reason for leaving it out; `unselected` is no reason worth a line of its own. */
export type ObjectFilter = (object: ObjectSummary, json: Uint8Array) => string | undefined;

export const unselected = 'not selected';

/** One filter per kind, compiled once. Label selectors are not its business: the API server applies them. */
export function objectFilter(kind: ResourceKind, selection: Selection): ObjectFilter {
  const selector = compileSelection(selection);
  const rules = objectRules(kind);
  const selects = selection.includeNamespaces.length + selection.excludeNamespaces.length + selection.includeNames.length > 0;
  return (object, json) => {
    if (selects && !selector.object({ group: kind.group, resource: kind.resource, namespace: object.namespace, name: object.name })) {
      return unselected;
    }
    return rules.find(rule => rule.matches(object, () => whole(json)))?.reason;
  };
}

function whole(json: Uint8Array): JsonObject {
  const object: unknown = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'));
  return isObject(object) ? object : {};
}
