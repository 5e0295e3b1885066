import type { ClaimPlace } from './claim-request.ts';
import { at, type Json, type JsonObject, stringAt } from './json.ts';
import { quantityBytes } from './quantity.ts';
import type { VolumeMode } from './volume.ts';

/** A claim for a volume that somebody made by hand, or that it names itself. */
export interface StaticWish {
  /** On the target. */
  readonly place: ClaimPlace;
  /** Claims in whose name a volume may be reserved already: this one, or the temporary one of an earlier run. */
  readonly holders: readonly ClaimPlace[];
  /** Empty for none. */
  readonly storageClass: string;
  /** The one that the claim asks for, by name. */
  readonly volumeName?: string;
  /** The one that it had where it was backed up. */
  readonly before?: string;
  readonly mode: VolumeMode;
  readonly accessModes: readonly string[];
  /** Bytes that it must have room for. */
  readonly bytes: number;
  /** `spec.selector` of the claim. */
  readonly selector?: Json;
}

/**
 * Pure: the volume that the claim can have, of those that nobody else has; or why there is none. Preferred is the one that is reserved for it, then
 * the one that it had, then the smallest. `taken`: names that other claims of the same restore get.
 */
export function findStaticVolume(
  volumes: readonly JsonObject[],
  wish: StaticWish,
  taken: ReadonlySet<string>,
): { readonly name: string } | string {
  const { volumeName, storageClass } = wish;
  const named = volumes.find(volume => nameOf(volume) === volumeName);
  if (volumeName !== undefined) {
    if (named === undefined) return `the volume ${volumeName} that it names is not in this cluster`;
    const misfit = taken.has(volumeName) ? 'another claim of this restore gets it' : misfitOf(named, wish);
    return misfit === undefined ? { name: volumeName } : `the volume ${volumeName} that it names cannot be its own: ${misfit}`;
  }
  const rank = (volume: JsonObject) => (holderOf(volume) !== undefined ? 0 : nameOf(volume) === wish.before ? 1 : 2);
  const [best] = volumes
    .filter(volume => !taken.has(nameOf(volume)) && misfitOf(volume, wish) === undefined)
    .sort((a, b) => rank(a) - rank(b) || capacityOf(a) - capacityOf(b) || (nameOf(a) < nameOf(b) ? -1 : 1));
  if (best !== undefined) return { name: nameOf(best) };
  const which = storageClass === '' ? 'without a storage class' : `of class ${storageClass}`;
  return `nothing makes volumes ${which}, and none that is there fits and is free`;
}

function misfitOf(volume: JsonObject, wish: StaticWish): string | undefined {
  const storageClass = stringAt(volume, 'spec', 'storageClassName') ?? '';
  const holder = holderOf(volume);
  if (at(volume, 'metadata', 'deletionTimestamp') !== undefined) return 'it is being deleted';
  if (holder !== undefined && !wish.holders.some(one => `${one.namespace}/${one.claim}` === holder)) {
    return `it belongs to the claim ${holder}`;
  }
  if (storageClass !== wish.storageClass)
    return `it is of class ${JSON.stringify(storageClass)}, and the claim of ${JSON.stringify(wish.storageClass)}`;
  const mode = stringAt(volume, 'spec', 'volumeMode') ?? 'Filesystem';
  if (mode !== wish.mode) return `it is of volumeMode ${mode}, and the claim of ${wish.mode}`;
  const modes = at(volume, 'spec', 'accessModes');
  const lacks = wish.accessModes.find(one => !Array.isArray(modes) || !modes.includes(one));
  if (lacks !== undefined) return `it is not ${lacks}`;
  if (capacityOf(volume) < wish.bytes) return `it has ${capacityOf(volume)} bytes, and ${wish.bytes} are needed`;
  return selects(wish.selector, at(volume, 'metadata', 'labels')) ? undefined : 'the selector of the claim does not choose it';
}

function holderOf(volume: JsonObject): string | undefined {
  const name = stringAt(volume, 'spec', 'claimRef', 'name');
  return name === undefined ? undefined : `${stringAt(volume, 'spec', 'claimRef', 'namespace') ?? ''}/${name}`;
}

function capacityOf(volume: JsonObject): number {
  return quantityBytes(String(at(volume, 'spec', 'capacity', 'storage') ?? '')) ?? 0;
}

function nameOf(volume: JsonObject): string {
  return stringAt(volume, 'metadata', 'name') ?? '';
}

/** `LabelSelector` of the API: `matchLabels` and `matchExpressions`. */
function selects(selector: Json | undefined, labels: Json | undefined): boolean {
  const value = (key: string) => stringAt(labels, key);
  const pairs = Object.entries((at(selector, 'matchLabels') ?? {}) as JsonObject);
  const expressions = at(selector, 'matchExpressions');
  return (
    pairs.every(([key, wanted]) => value(key) === wanted) &&
    (!Array.isArray(expressions) || expressions.every(expression => matches(expression, value(stringAt(expression, 'key') ?? ''))))
  );
}

function matches(expression: Json, value: string | undefined): boolean {
  const list = at(expression, 'values');
  const among = value !== undefined && Array.isArray(list) && list.includes(value);
  switch (stringAt(expression, 'operator')) {
    case 'In':
      return among;
    case 'NotIn':
      return !among;
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}
