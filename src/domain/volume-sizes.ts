import { HoldfastError } from './errors.ts';
import { isObject, type JsonObject, stringAt } from './json.ts';
import { quantityBytes } from './quantity.ts';
import { kindName } from './resource.ts';
import { claimName, type VolumeRecord } from './volume.ts';

/** What restored claims ask for, as Kubernetes writes it (`20Gi`), by `namespace/claim` of the set. */
export type VolumeSizes = Readonly<Record<string, string>>;

/** Bytes that the claim of the set shall ask for; undefined where nothing is said of it. */
export function sizeOf(
  sizes: VolumeSizes | undefined,
  { namespace, claim }: Pick<VolumeRecord, 'namespace' | 'claim'>,
): number | undefined {
  const key = `${namespace}/${claim}`;
  return sizes !== undefined && Object.hasOwn(sizes, key) ? quantityBytes(sizes[key] ?? '') : undefined;
}

/** USAGE for what is no size and claims of which the set says nothing, VOLUME_FULL where the data would have no room; all before anything is written. */
export function checkVolumeSizes(volumes: readonly VolumeRecord[], sizes: VolumeSizes = {}): void {
  for (const [key, size] of Object.entries(sizes)) {
    const bytes = quantityBytes(size) ?? 0;
    if (bytes <= 0) throw new HoldfastError('USAGE', `${key}=${size}: ${JSON.stringify(size)} is no size, such as 20Gi`);
    const record = volumes.find(({ namespace, claim }) => `${namespace}/${claim}` === key);
    if (record === undefined) throw new HoldfastError('USAGE', `a size is given for ${key}, of which the backup says nothing`);
    const needed = record.data?.bytes ?? 0;
    if (bytes >= needed) continue;
    throw new HoldfastError('VOLUME_FULL', `${claimName(record)} shall have ${bytes} bytes (${size}), and its data takes ${needed}`);
  }
}

/** Changes, in place, what a claim of the set asks for. */
export function mapVolumeSize(kind: { readonly group: string; readonly resource: string }, object: JsonObject, sizes: VolumeSizes): void {
  if (kindName(kind) !== 'persistentvolumeclaims') return;
  const key = `${stringAt(object, 'metadata', 'namespace') ?? ''}/${stringAt(object, 'metadata', 'name') ?? ''}`;
  const { spec } = object;
  const size = Object.hasOwn(sizes, key) ? sizes[key] : undefined;
  if (size === undefined || !isObject(spec)) return;
  const resources = isObject(spec['resources']) ? spec['resources'] : {};
  const requests = isObject(resources['requests']) ? resources['requests'] : {};
  spec['resources'] = { ...resources, requests: { ...requests, storage: size } };
}
