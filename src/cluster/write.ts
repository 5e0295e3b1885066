import { HoldfastError } from '../domain/errors.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { CallOptions, ClusterApi, DeleteOptions, WriteOptions } from './cluster-api.ts';
import { type Refusal, RefusedError } from './failures.ts';
import { type Query, resourcePath, withQuery } from './paths.ts';
import { type ApiRequest, readText, type Transport } from './transport.ts';

type Patch = Parameters<ClusterApi['patch']>[3];

const patchTypes = {
  apply: 'application/apply-patch+yaml',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
} as const satisfies Record<Patch['type'], string>;

export const defaultFieldManager = 'holdfast';

const yes = () => true;
const no = () => false;

/** The answer's text without the newline that the API server puts behind it. */
async function send(transport: Transport, request: ApiRequest): Promise<string> {
  const text = await transport.exchange(request, answer => readText(answer.chunks));
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}

function writeQuery(options: WriteOptions): Query {
  return {
    fieldManager: options.fieldManager ?? defaultFieldManager,
    dryRun: options.dryRun === true ? 'All' : undefined,
    // A field that this server does not know is dropped, not refused: the object comes back as far as it can.
    fieldValidation: 'Ignore',
  };
}

/** A create can meet a conflict about another object, such as a quota that two creates count at once: the object itself is not there. */
function isForeignConflict(refusal: Refusal): boolean {
  return refusal.status === 409 && refusal.reason === 'Conflict';
}

export async function getObject(
  transport: Transport,
  kind: ResourceKind,
  namespace: string,
  name: string,
  options: CallOptions,
): Promise<string | undefined> {
  const path = resourcePath(kind, namespace, name);
  try {
    return await send(transport, { method: 'GET', path, signal: options.signal, repeatable: yes });
  } catch (thrown) {
    if (thrown instanceof RefusedError && thrown.refusal.status === 404) return undefined;
    throw thrown;
  }
}

export async function createObject(
  transport: Transport,
  kind: ResourceKind,
  namespace: string,
  body: string,
  options: WriteOptions,
): Promise<string> {
  const path = withQuery(resourcePath(kind, namespace), writeQuery(options));
  try {
    return await send(transport, { method: 'POST', path, body, signal: options.signal, repeatable: no, passing: isForeignConflict });
  } catch (thrown) {
    if (!(thrown instanceof RefusedError) || !isForeignConflict(thrown.refusal)) throw thrown;
    throw new HoldfastError('CLUSTER_ERROR', thrown.message, { cause: thrown });
  }
}

export async function updateObject(
  transport: Transport,
  kind: ResourceKind,
  namespace: string,
  name: string,
  body: string,
  options: WriteOptions & { readonly subresource?: string },
): Promise<string> {
  const path = withQuery(resourcePath(kind, namespace, name, options.subresource), writeQuery(options));
  return send(transport, { method: 'PUT', path, body, signal: options.signal, repeatable: no });
}

export async function patchObject(
  transport: Transport,
  kind: ResourceKind,
  namespace: string,
  name: string,
  patch: Patch,
  options: WriteOptions,
): Promise<string> {
  const force = patch.type === 'apply' && patch.force === true ? true : undefined;
  const path = withQuery(resourcePath(kind, namespace, name, patch.subresource), { ...writeQuery(options), force });
  // Applying the same intent once more changes nothing; other patches may add twice.
  const repeatable = patch.type === 'apply' ? yes : no;
  return send(transport, {
    method: 'PATCH',
    path,
    body: patch.body,
    contentType: patchTypes[patch.type],
    signal: options.signal,
    repeatable,
  });
}

export async function deleteObject(
  transport: Transport,
  kind: ResourceKind,
  namespace: string,
  name: string,
  options: DeleteOptions,
): Promise<void> {
  const propagationPolicy = options.orphan === true ? 'Orphan' : 'Background';
  const path = withQuery(resourcePath(kind, namespace, name), { propagationPolicy });
  const { uid, signal } = options;
  const body = uid === undefined ? {} : { body: JSON.stringify({ kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid } }) };
  try {
    await send(transport, { method: 'DELETE', path, signal, repeatable: yes, ...body });
  } catch (thrown) {
    if (!(thrown instanceof RefusedError) || thrown.refusal.status !== 404) throw thrown;
  }
}
