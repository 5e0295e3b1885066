import { at, isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import { apiVersion, kindName, type ResourceKind } from '../domain/resource.ts';

/** Who writes what belongs to nobody else, or not yet to whom it shall. An object that has it was not finished by its restore. */
export const restoreManager = 'holdfast-restore';

/** Owner of the fields of objects that say of nobody that he wrote them. */
const noManager = 'holdfast';

export interface FieldManager {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  /** Empty for the object itself. */
  readonly subresource: string;
  readonly apiVersion: string;
  readonly fields: JsonObject;
  /** The entry as it stands in `managedFields`. */
  readonly entry: JsonObject;
}

/**
 * How field ownership comes back. A create books every field to the request's own manager, and only a later write of the object itself (not of
 * a subresource) may state `managedFields`.
 */
export type Ownership =
  /** One create in that manager's name. */
  | { readonly how: 'create'; readonly manager: string; readonly entries: readonly JsonObject[] }
  /** One server-side apply, in the manager's name, of the fields that it owned; the server's defaults are expected to do the rest. */
  | { readonly how: 'apply'; readonly manager: string; readonly fields: JsonObject; readonly entries: readonly JsonObject[] }
  /** A create, then one patch that states exactly these entries. */
  | { readonly how: 'state'; readonly entries: readonly JsonObject[] };

export interface ObjectOwnership {
  readonly object: Ownership;
  /** In whose name a status is written through its subresource. */
  readonly statusManager: string;
}

export function fieldManagers(object: JsonObject): FieldManager[] {
  const entries = at(object, 'metadata', 'managedFields');
  if (!Array.isArray(entries)) return [];
  return entries.filter(isObject).flatMap(entry => {
    const manager = stringAt(entry, 'manager');
    const operation = stringAt(entry, 'operation');
    const fields = entry['fieldsV1'];
    if (manager === undefined || (operation !== 'Apply' && operation !== 'Update') || !isObject(fields)) return [];
    const subresource = stringAt(entry, 'subresource') ?? '';
    return [{ manager, operation, subresource, apiVersion: stringAt(entry, 'apiVersion') ?? '', fields, entry }];
  });
}

/** Kinds that cannot be changed much once they are there: whatever the applier did not own has to come with the create. */
const fixedOnceMade = new Set([
  'pods',
  'jobs.batch',
  'statefulsets.apps',
  'controllerrevisions.apps',
  'persistentvolumeclaims',
  'persistentvolumes',
  'storageclasses.storage.k8s.io',
  'csidrivers.storage.k8s.io',
  'priorityclasses.scheduling.k8s.io',
  'runtimeclasses.node.k8s.io',
]);

/** `withStatus`: the status is written through its subresource. `kind` is the one that the object is written in. */
export function ownershipOf(managers: readonly FieldManager[], kind: ResourceKind, withStatus: boolean): ObjectOwnership {
  const own = managers.filter(manager => manager.subresource !== 'status');
  const ofStatus = withStatus ? managers.filter(manager => manager.subresource === 'status') : [];
  const updated = ofStatus.find(manager => manager.operation === 'Update')?.manager;
  const statusManager = updated ?? noManager;
  const applied = own.filter(manager => manager.operation === 'Apply');
  const [first] = own;
  const entries = [...own, ...ofStatus].map(manager => manager.entry);
  const stated = { object: { how: 'state', entries }, statusManager: updated ?? restoreManager } as const;
  if (first === undefined) return { object: { how: 'create', manager: noManager, entries }, statusManager };
  if (ofStatus.some(manager => manager.operation === 'Apply')) return stated;
  // Update managers share fields without conflict: the first one stands for all.
  if (applied.length === 0) return { object: { how: 'create', manager: first.manager, entries }, statusManager };
  if (own.length > 1 || first.apiVersion !== apiVersion(kind) || fixedOnceMade.has(kindName(kind))) return stated;
  return { object: { how: 'apply', manager: first.manager, fields: first.fields, entries }, statusManager };
}

/** Owner references are told apart by UID in field sets too. */
export function withUids(
  managers: readonly FieldManager[],
  uids: readonly (readonly [old: string, current: string])[],
): readonly FieldManager[] {
  if (uids.length === 0) return managers;
  const changed = (fields: JsonObject) =>
    parseJson(uids.reduce((text, [old, current]) => text.replaceAll(old, current), JSON.stringify(fields))) as JsonObject;
  return managers.map(manager => {
    const fields = changed(manager.fields);
    return { ...manager, fields, entry: { ...manager.entry, fieldsV1: fields } };
  });
}

/** The only manager of the object itself, when that one applied it. */
export function soleApplier(managers: readonly FieldManager[]): FieldManager | undefined {
  const own = managers.filter(manager => manager.subresource !== 'status');
  return own.length === 1 && own[0]?.operation === 'Apply' ? own[0] : undefined;
}

/** Was the object left half-done by an interrupted restore? */
export function isUnfinished(managers: readonly FieldManager[]): boolean {
  return managers.some(manager => manager.manager === restoreManager && manager.subresource === '' && manager.operation === 'Update');
}
