import { at, isObject, type JsonObject } from './json.ts';
import { changeStringsAt, type JsonPath } from './json-paths.ts';
import { kindName } from './resource.ts';

/** Where objects name the StorageClass of volumes. */
const places: Readonly<Record<string, JsonPath>> = {
  persistentvolumeclaims: ['spec', 'storageClassName'],
  persistentvolumes: ['spec', 'storageClassName'],
  'statefulsets.apps': ['spec', 'volumeClaimTemplates', '*', 'spec', 'storageClassName'],
};

/** Changes, in place, the StorageClass that the object names. A claim of another class cannot have the very volume that it asked for. */
export function mapStorageClasses(
  kind: { readonly group: string; readonly resource: string },
  object: JsonObject,
  mapping: Readonly<Record<string, string>>,
): void {
  const place = places[kindName(kind)];
  if (place === undefined) return;
  const before = at(object, 'spec', 'storageClassName');
  changeStringsAt(object, place, name => (Object.hasOwn(mapping, name) ? (mapping[name] ?? name) : name));
  const { spec } = object;
  if (kindName(kind) !== 'persistentvolumeclaims' || !isObject(spec) || spec['storageClassName'] === before) return;
  delete spec['volumeName'];
}
