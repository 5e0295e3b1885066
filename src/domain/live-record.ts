import { hash } from 'node:crypto';
import type { ClusterOwnedOptions } from './cluster-owned.ts';
import { at, isObject, type Json, type JsonObject, parseJson, stringAt } from './json.ts';
import { canonicalJson } from './json-compare.ts';
import { kindName, type ResourceKind } from './resource.ts';
import { type ObjectForm, objectForm, restoringAnnotation } from './restored-form.ts';

/** What is remembered of an object on the target: enough to tell whether it is equal, without keeping it. */
export interface LiveRecord {
  readonly uid: string;
  /** Digest of everything but status and owners, and of these; empty where there is none. */
  readonly main: string;
  readonly status: string;
  readonly owners: string;
  readonly deleting: boolean;
  /** Nothing in it but what a cluster makes by itself: the default service account, a namespace without labels. */
  readonly pristine: boolean;
  /** The API server itself keeps it up to date. */
  readonly selfKept: boolean;
  /** Left half-done by an interrupted restore. */
  readonly marked: boolean;
}

/** The objects of one batch of a list, whose items end at `ends`. */
export function* objectsIn(batch: { readonly buffer: Uint8Array; readonly ends: readonly number[] }): Generator<JsonObject> {
  const bytes = Buffer.from(batch.buffer.buffer, batch.buffer.byteOffset, batch.buffer.byteLength);
  let start = 0;
  for (const end of batch.ends) {
    const object = parseJson(bytes.toString('utf8', start, end));
    start = end;
    if (isObject(object)) yield object;
  }
}

/** `object` is taken apart. */
export function liveRecord(kind: ResourceKind, object: JsonObject, options: ClusterOwnedOptions = {}): LiveRecord {
  const uid = stringAt(object, 'metadata', 'uid') ?? '';
  const deleting = at(object, 'metadata', 'deletionTimestamp') !== undefined;
  const marked = stringAt(object, 'metadata', 'annotations', restoringAnnotation) !== undefined;
  const form = objectForm(kind, object, options);
  return {
    uid,
    ...formDigests(form),
    deleting,
    pristine: isPristine(kind, form.main),
    selfKept: selfKeeping.some(([name, value]) => stringAt(form.main, 'metadata', 'annotations', name) === value),
    marked,
  };
}

export function formDigests(form: ObjectForm): Pick<LiveRecord, 'main' | 'status' | 'owners'> {
  return {
    main: digestOf(form.main),
    status: form.status === undefined ? '' : digestOf(form.status),
    owners: form.owners.length === 0 ? '' : digestOf([...form.owners].sort((a, b) => (String(a['uid']) < String(b['uid']) ? -1 : 1))),
  };
}

const selfKeeping = [
  ['rbac.authorization.kubernetes.io/autoupdate', 'true'],
  ['apf.kubernetes.io/autoupdate-spec', 'true'],
] as const;

function digestOf(value: Json): string {
  return hash('sha256', canonicalJson(value), 'base64');
}

const initialNamespaces = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

function isPristine(kind: ResourceKind, main: JsonObject): boolean {
  const name = stringAt(main, 'metadata', 'name') ?? '';
  if (kindName(kind) === 'serviceaccounts') return name === 'default' && isBare(main, []);
  return kindName(kind) === 'namespaces' && initialNamespaces.has(name) && isBare(main, ['kubernetes.io/metadata.name']);
}

function isBare(main: JsonObject, labels: readonly string[]): boolean {
  const { metadata, ...rest } = main;
  const known = ['apiVersion', 'kind'];
  const plain = ['name', 'namespace', 'labels'];
  const present = (value: Json | undefined) => Object.keys((value ?? {}) as JsonObject);
  return (
    present(rest).every(key => known.includes(key)) &&
    present(metadata).every(key => plain.includes(key)) &&
    present(at(metadata, 'labels')).every(label => labels.includes(label))
  );
}
