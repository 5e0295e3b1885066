import type { ClusterApi } from '../cluster/cluster-api.ts';
import { type ClusterOwnedOptions, keepClusterOwned } from '../domain/cluster-owned.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import { at, isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import { formDigests } from '../domain/live-record.ts';
import { kindName, refName } from '../domain/resource.ts';
import { jobFinished } from '../domain/restore-policy.ts';
import { objectForm, restoringAnnotation } from '../domain/restored-form.ts';
import type { Wanted } from './assess.ts';
import { ownedPart } from './field-set.ts';
import { fieldManagers, restoreManager, soleApplier } from './managers.ts';

export interface WriteContext {
  readonly cluster: ClusterApi;
  readonly signal: AbortSignal;
  readonly owned: ClusterOwnedOptions;
  /** Called once per write request. */
  readonly onWrite: () => void;
}

/** An object as the server answered it. */
interface Stored {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly object: JsonObject;
}

const mostConflicts = 5;

/** Another object of that name has appeared since the target was looked at. */
export class AlreadyThere extends Error {}

/** Writes an object that is not there. Returns its UID where another object asks for it; throws AlreadyThere. */
export async function createWanted(wanted: Wanted, context: WriteContext): Promise<string> {
  if (isFinishedJob(wanted)) return createFinishedJob(wanted, context);
  const { object: ownership } = wanted.ownership;
  const withStatus = writesStatus(wanted);
  if (ownership.how === 'apply') return applyWanted(wanted, ownership.manager, ownership.fields, context);
  const manager = ownership.how === 'create' ? ownership.manager : restoreManager;
  const answer = await create(wanted, wholeBody(wanted), manager, context);
  if (!withStatus && ownership.how === 'create' && !wanted.isOwner) return '';
  let stored = readStored(answer);
  if (withStatus) stored = await writeStatus(wanted, stored, context);
  if (ownership.how === 'state') stored = await stateManagers(wanted, stored, context);
  return stored.uid;
}

async function applyWanted(wanted: Wanted, manager: string, fields: JsonObject, context: WriteContext): Promise<string> {
  const body = wholeBody(wanted);
  const part = ownedPart(body, fields);
  const metadata = { ...(isObject(at(part, 'metadata')) ? (at(part, 'metadata') as JsonObject) : {}), ...identityOf(wanted) };
  const applied = { ...(isObject(part) ? part : {}), apiVersion: body['apiVersion'], kind: body['kind'], metadata };
  context.onWrite();
  const { cluster, signal } = context;
  const patch = { type: 'apply', body: yamlSafe(JSON.stringify(applied)) } as const;
  const answer = await cluster
    .patch(wanted.kind, wanted.namespace, wanted.name, patch, { fieldManager: manager, signal })
    .catch(rethrowAsAlreadyThere(wanted));
  let stored = readStored(answer);
  // An apply also merges into an object that appeared meanwhile; that one has other managers as well.
  if (soleApplier(fieldManagers(stored.object))?.manager !== manager) throw new AlreadyThere(refName(refOf(wanted)));
  if (!equalsWanted(wanted, stored, context)) stored = await replace(wanted, stored, context);
  else if (writesStatus(wanted)) stored = await writeStatus(wanted, stored, context);
  return stored.uid;
}

/** Writes whatever `object`, the live one, lacks. */
export async function completeWanted(wanted: Wanted, live: string, context: WriteContext): Promise<string> {
  let stored = readStored(live);
  if (stringAt(stored.object, 'metadata', 'annotations', restoringAnnotation) !== undefined) return finishJob(wanted, stored, context);
  const form = objectForm(wanted.kind, structuredCopy(stored.object), context.owned);
  const digests = formDigests(form);
  if (digests.main !== formDigests(wanted.form).main) return (await replace(wanted, stored, context)).uid;
  if (form.owners.length === 0 && wanted.form.owners.length > 0) stored = await writeOwners(wanted, stored, context);
  if (writesStatus(wanted) && form.status === undefined) stored = await writeStatus(wanted, stored, context);
  const unfinished = fieldManagers(stored.object).some(manager => manager.manager === restoreManager);
  if (unfinished) stored = await stateManagers(wanted, stored, context);
  return stored.uid;
}

/** Makes the live object equal; its identity and what its cluster decided stay. CLUSTER_REJECTED where a field cannot change. */
export async function updateWanted(wanted: Wanted, live: string, context: WriteContext): Promise<string> {
  return (await replace(wanted, readStored(live), context)).uid;
}

/** Adds references whose owners were not there yet, unless a controller has done so meanwhile. */
export async function addOwners(wanted: Wanted, owners: readonly JsonObject[], context: WriteContext): Promise<void> {
  for (let conflicts = 0; ; conflicts++) {
    const live = await getLive(wanted, context);
    if (live === undefined) return;
    const stored = readStored(live);
    if (Array.isArray(at(stored.object, 'metadata', 'ownerReferences'))) return;
    try {
      const linked = await writeOwners({ ...wanted, form: { ...wanted.form, owners } }, stored, context);
      if (wanted.ownership.object.how !== 'create') await stateManagers(wanted, linked, context);
      return;
    } catch (thrown) {
      if (!isCode(thrown, 'CLUSTER_CONFLICT') || conflicts >= mostConflicts) throw thrown;
    }
  }
}

export async function getLive(wanted: Wanted, context: Pick<WriteContext, 'cluster' | 'signal'>): Promise<string | undefined> {
  return context.cluster.get(wanted.kind, wanted.namespace, wanted.name, { signal: context.signal });
}

/**
 * A finished job is created suspended, given its status, and only then set free: at no moment does the job controller see one that it would
 * have to start (seen with kube-controller-manager 1.37; it leaves finished jobs alone).
 */
async function createFinishedJob(wanted: Wanted, context: WriteContext): Promise<string> {
  const body = wholeBody(wanted);
  const metadata = body['metadata'] as JsonObject;
  const annotations = isObject(metadata['annotations']) ? metadata['annotations'] : {};
  const suspended = {
    ...body,
    metadata: { ...metadata, annotations: { ...annotations, [restoringAnnotation]: 'true' } },
    spec: { ...(body['spec'] as JsonObject), suspend: true },
  };
  const answer = await create(wanted, suspended, firstManager(wanted), context);
  return finishJob(wanted, readStored(answer), context);
}

async function finishJob(wanted: Wanted, stored: Stored, context: WriteContext): Promise<string> {
  let current = stored;
  if (!jobFinished(current.object)) current = await writeStatus(wanted, current, context);
  const suspend = at(wanted.form.main, 'spec', 'suspend') ?? null;
  const set = () => ({ metadata: { annotations: { [restoringAnnotation]: null } }, spec: { suspend } });
  current = await patchLive(wanted, current, set, firstManager(wanted), context);
  return (wanted.ownership.object.how === 'create' ? current : await stateManagers(wanted, current, context)).uid;
}

async function create(wanted: Wanted, body: JsonObject, manager: string, context: WriteContext): Promise<string> {
  const { cluster, signal } = context;
  context.onWrite();
  return cluster
    .create(wanted.kind, wanted.namespace, JSON.stringify(body), { fieldManager: manager, signal })
    .catch(rethrowAsAlreadyThere(wanted));
}

/** Through the subresource; whoever wrote one meanwhile did so for an object that he took for new, so ours stands. */
async function writeStatus(wanted: Wanted, stored: Stored, context: WriteContext): Promise<Stored> {
  const { cluster, signal } = context;
  let current = stored;
  for (let conflicts = 0; ; conflicts++) {
    // Whole, since some kinds (jobs) take labels and annotations from a write of the status as well.
    const body = { ...current.object, status: wanted.form.status };
    context.onWrite();
    try {
      const options = { subresource: 'status', fieldManager: wanted.ownership.statusManager, signal };
      return readStored(await cluster.update(wanted.kind, wanted.namespace, wanted.name, JSON.stringify(body), options));
    } catch (thrown) {
      if (!isCode(thrown, 'CLUSTER_CONFLICT') || conflicts >= mostConflicts) throw thrown;
      current = await readAgain(wanted, current, context);
    }
  }
}

/** Replaces everything but the status, then what belongs to the other managers. */
async function replace(wanted: Wanted, stored: Stored, context: WriteContext): Promise<Stored> {
  const { cluster, signal } = context;
  const { object: ownership } = wanted.ownership;
  const manager = ownership.how === 'create' ? ownership.manager : restoreManager;
  let current = stored;
  for (let conflicts = 0; ; conflicts++) {
    const { uid, resourceVersion } = current;
    const body = structuredCopy(wholeBody(wanted));
    keepClusterOwned(wanted.kind, body, current.object);
    body['metadata'] = { ...(body['metadata'] as JsonObject), uid, resourceVersion };
    context.onWrite();
    try {
      current = readStored(
        await cluster.update(wanted.kind, wanted.namespace, wanted.name, JSON.stringify(body), { fieldManager: manager, signal }),
      );
      break;
    } catch (thrown) {
      if (!isCode(thrown, 'CLUSTER_CONFLICT') || conflicts >= mostConflicts) throw thrown;
      current = await readAgain(wanted, current, context);
    }
  }
  if (writesStatus(wanted) && at(current.object, 'status') === undefined) current = await writeStatus(wanted, current, context);
  return ownership.how === 'create' ? current : stateManagers(wanted, current, context);
}

/** Says exactly who owned what; the API server takes `managedFields` from a write of the object itself, if nothing else changes. */
function stateManagers(wanted: Wanted, stored: Stored, context: WriteContext): Promise<Stored> {
  const stated = (live: Stored) => {
    const withStatus = at(live.object, 'status') !== undefined;
    const entries = wanted.ownership.object.entries.filter(entry => withStatus || entry['subresource'] !== 'status');
    const others = fieldManagers(live.object).filter(
      other => other.manager !== restoreManager && !entries.some(entry => isSameManager(entry, other.entry)),
    );
    return { metadata: { managedFields: [...entries, ...others.map(manager => manager.entry)] } };
  };
  return patchLive(wanted, stored, stated, restoreManager, context);
}

function isSameManager(a: JsonObject, b: JsonObject): boolean {
  return ['manager', 'operation', 'subresource'].every(key => (a[key] ?? '') === (b[key] ?? ''));
}

function writeOwners(wanted: Wanted, stored: Stored, context: WriteContext): Promise<Stored> {
  const ownerReferences = [...wanted.form.owners];
  return patchLive(wanted, stored, () => ({ metadata: { ownerReferences } }), firstManager(wanted), context);
}

/** A merge patch of exactly the object that was read, and of its successor where a controller was quicker. */
async function patchLive(
  wanted: Wanted,
  stored: Stored,
  change: (live: Stored) => JsonObject,
  fieldManager: string,
  context: WriteContext,
): Promise<Stored> {
  const { cluster, signal } = context;
  let current = stored;
  for (let conflicts = 0; ; conflicts++) {
    const { uid, resourceVersion } = current;
    const changed = change(current);
    const metadata = { ...(isObject(changed['metadata']) ? changed['metadata'] : {}), uid, resourceVersion };
    const patch = { type: 'merge', body: JSON.stringify({ ...changed, metadata }) } as const;
    context.onWrite();
    try {
      return readStored(await cluster.patch(wanted.kind, wanted.namespace, wanted.name, patch, { fieldManager, signal }));
    } catch (thrown) {
      if (!isCode(thrown, 'CLUSTER_CONFLICT') || conflicts >= mostConflicts) throw thrown;
      current = await readAgain(wanted, current, context);
    }
  }
}

async function readAgain(wanted: Wanted, before: Stored, context: WriteContext): Promise<Stored> {
  const live = await getLive(wanted, context);
  const stored = live === undefined ? undefined : readStored(live);
  if (stored?.uid === before.uid) return stored;
  throw new HoldfastError('CLUSTER_CONFLICT', `${refName(refOf(wanted))} was deleted while it was being restored`);
}

function wholeBody(wanted: Wanted): JsonObject {
  const { main, owners, status } = wanted.form;
  const body: JsonObject = { ...main };
  if (owners.length > 0) body['metadata'] = { ...(main['metadata'] as JsonObject), ownerReferences: [...owners] };
  if (wanted.status === 'body' && status !== undefined) body['status'] = status;
  return body;
}

function equalsWanted(wanted: Wanted, stored: Stored, context: WriteContext): boolean {
  const live = formDigests(objectForm(wanted.kind, structuredCopy(stored.object), context.owned));
  const ours = formDigests(wanted.form);
  return live.main === ours.main && live.owners === ours.owners && (wanted.status !== 'body' || live.status === ours.status);
}

function writesStatus(wanted: Wanted): boolean {
  return wanted.status === 'subresource' && wanted.form.status !== undefined;
}

function isFinishedJob(wanted: Wanted): boolean {
  return kindName(wanted.kind) === 'jobs.batch' && wanted.form.status !== undefined;
}

/** Whose name a partial write is made in: with the fields of several managers, they are stated afterwards. */
function firstManager(wanted: Wanted): string {
  const { object: ownership } = wanted.ownership;
  return ownership.how === 'create' ? ownership.manager : restoreManager;
}

function identityOf(wanted: Wanted): JsonObject {
  return { name: wanted.name, ...(wanted.namespace === '' ? {} : { namespace: wanted.namespace }) };
}

function refOf(wanted: Wanted) {
  return { group: wanted.kind.group, resource: wanted.kind.resource, namespace: wanted.namespace, name: wanted.name };
}

export function rethrowAsAlreadyThere(wanted: Wanted): (thrown: unknown) => never {
  return thrown => {
    throw isCode(thrown, 'CLUSTER_CONFLICT') ? new AlreadyThere(refName(refOf(wanted)), { cause: thrown }) : thrown;
  };
}

function readStored(text: string): Stored {
  const object = parseJson(text);
  if (!isObject(object)) throw new HoldfastError('CLUSTER_ERROR', 'the API server answered a write with something that is no object');
  return { uid: stringAt(object, 'metadata', 'uid') ?? '', resourceVersion: stringAt(object, 'metadata', 'resourceVersion') ?? '', object };
}

/** The API server reads applied bodies as YAML, which forbids some characters that JSON allows unescaped. */
function yamlSafe(json: string): string {
  return json.replace(yamlForbids, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const yamlForbids = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** A copy that keeps raw numbers, which structuredClone does not. */
function structuredCopy(object: JsonObject): JsonObject {
  return parseJson(JSON.stringify(object)) as JsonObject;
}
