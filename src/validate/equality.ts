import type { ClusterApi, Discovery } from '../cluster/cluster-api.ts';
import { type IndexEntry, indexKey } from '../domain/backup-set.ts';
import { at, isObject, type Json, type JsonObject, parseJson } from '../domain/json.ts';
import { canonicalJson, differences } from '../domain/json-compare.ts';
import { labelMatcher } from '../domain/label-selector.ts';
import { formDigests } from '../domain/live-record.ts';
import { mappedPlace } from '../domain/namespace-mapping.ts';
import { apiVersion, isSecretKind, kindName, type ResourceKind, refName } from '../domain/resource.ts';
import { objectForm, type RestoredForm, restoredForm } from '../domain/restored-form.ts';
import type { Progress } from '../domain/runtime.ts';
import { compileSelection, type Selection } from '../domain/selection.ts';
import type { ValidationCheck, ValidationFinding } from '../domain/validation.ts';
import type { VolumeSizes } from '../domain/volume-sizes.ts';
import type { SetReader } from '../repository/set-reader.ts';
import { KindTally } from './kind-tally.ts';
import { type IndexedObject, indexLive, type LiveIndex } from './live-index.ts';

export interface EqualityInput {
  readonly reader: SetReader;
  readonly cluster: ClusterApi;
  readonly selection: Selection;
  readonly namespaceMapping: Readonly<Record<string, string>>;
  /** As the restore mapped them. */
  readonly storageClasses?: Readonly<Record<string, string>>;
  readonly volumeSizes?: VolumeSizes;
  /** The moment of the validation: what is past its time to live is not missed. */
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

type Form = Extract<RestoredForm, { main: JsonObject }>;

/**
 * Is every object of the set there, and equal field by field, apart from what a cluster owns (the table in domain/cluster-owned.ts)?
 * One check per kind. Owner references are compared by whom they name, and must hold the UID of a living object.
 */
export async function validateEquality(input: EqualityInput): Promise<ValidationCheck[]> {
  const { reader, cluster, signal, progress } = input;
  const discovery = await cluster.discover({ signal });
  const kinds = reader.manifest.kinds.filter(kind => kind.count > 0 && compileSelection(input.selection).kind(kind));
  const served = new Map(kinds.map(kind => [kindName(kind), servedKind(discovery, kind)] as const));
  progress({ phase: 'validate', detail: 'listing the cluster', totalObjects: reader.manifest.objects });
  const live = await indexLive(
    cluster,
    [...served.values()].filter(kind => kind !== undefined),
    signal,
  );
  const tallies = new Map(kinds.map(kind => [kindName(kind), new KindTally(kindName(kind))] as const));
  const selected = await selectEntries(input);

  let looked = 0;
  await reader.read(
    selected,
    async (entry, json) => {
      const tally = tallies.get(kindName(entry)) ?? new KindTally(kindName(entry));
      tallies.set(kindName(entry), tally);
      await compareOne({ input, live, tally, kind: served.get(kindName(entry)) }, entry, json);
      if (++looked % 500 === 0) progress({ phase: 'validate', objects: looked, totalObjects: reader.manifest.objects });
    },
    { signal },
  );
  return [...tallies.values()].filter(tally => tally.looked > 0).map(tally => tally.check());
}

function servedKind(discovery: Discovery, wanted: Omit<ResourceKind, 'verbs' | 'subresources'>): ResourceKind | undefined {
  const kind = discovery.kinds.find(one => one.group === wanted.group && one.resource === wanted.resource);
  const versions = discovery.servedVersions.get(`${wanted.group}/${wanted.resource}`) ?? [];
  if (kind === undefined) return undefined;
  return versions.includes(wanted.version) ? { ...kind, version: wanted.version } : kind;
}

/** A label selector can only be asked of the objects themselves, in a pass of its own. */
async function selectEntries({ reader, selection, signal }: EqualityInput): Promise<(entry: IndexEntry) => boolean> {
  const selector = compileSelection(selection);
  if (selection.labelSelector.trim() === '') return entry => selector.object(entry);
  const matches = labelMatcher(selection.labelSelector);
  const chosen = new Set<string>();
  await reader.read(
    entry => selector.object(entry),
    (entry, json) => {
      const labels = at(parseJson(json), 'metadata', 'labels');
      if (matches(isObject(labels) ? labels : {})) chosen.add(indexKey(entry));
    },
    { signal },
  );
  return entry => chosen.has(indexKey(entry));
}

interface Comparison {
  readonly input: EqualityInput;
  readonly live: LiveIndex;
  readonly tally: KindTally;
  readonly kind: ResourceKind | undefined;
}

async function compareOne(comparison: Comparison, entry: IndexEntry, json: string): Promise<void> {
  const { input, live, tally, kind } = comparison;
  const object = parseJson(json);
  const form = restoredForm(kind ?? asKind(entry), object as JsonObject, {
    mapping: input.namespaceMapping,
    storageClasses: input.storageClasses ?? {},
    volumeSizes: input.volumeSizes ?? {},
    now: input.now,
  });
  if ('excluded' in form) return tally.leftOut(form.excluded);
  const place = mappedPlace(input.namespaceMapping, entry);
  const item = refName({ ...entry, ...place });
  if (kind === undefined) return tally.failed({ item, message: `the cluster does not serve ${kindName(entry)} (${apiVersion(entry)})` });
  const found = live.objects.get(entry, place.namespace, place.name);
  if (found === undefined) return tally.failed({ item, message: 'is missing' });
  const finding = await compareForms(comparison, form, found, { kind, ...place, item });
  if (finding === undefined) tally.equal();
  else if (found.selfKept) tally.warned({ ...finding, message: `${finding.message}; the API server itself keeps it up to date` });
  else tally.failed(finding);
}

async function compareForms(
  { input, live }: Comparison,
  form: Form,
  found: IndexedObject,
  where: { kind: ResourceKind; namespace: string; name: string; item: string },
): Promise<ValidationFinding | undefined> {
  const { item } = where;
  if (found.deleting) return { item, message: 'is being deleted' };
  if (found.marked) return { item, message: 'was left half-done by a restore' };
  const dangling = found.ownerRefs.find(owner => !live.hasOwner(owner));
  if (dangling !== undefined && ownerNames(form.owners).includes(ownerName(dangling))) {
    return { item, message: `its owner reference to ${dangling['kind']} ${dangling['name']} holds the UID of no living object` };
  }
  const owners = ownerNames(form.owners);
  const missingOwner = owners.find(owner => !ownerNames(found.ownerRefs).includes(owner));
  const digests = formDigests(form);
  if (digests.main === found.main && digests.status === found.status) {
    return missingOwner === undefined ? undefined : { item, message: `lacks the owner reference ${missingOwner}` };
  }
  const text = await input.cluster.get(where.kind, where.namespace, where.name, { signal: input.signal });
  if (text === undefined) return { item, message: 'is missing' };
  const now = objectForm(where.kind, parseJson(text) as JsonObject);
  const hide = isSecretKind(where.kind);
  const wanted: Json = { ...form.main, ...(form.status === undefined ? {} : { status: form.status }) };
  const actual: Json = { ...now.main, ...(now.status === undefined ? {} : { status: now.status }) };
  const fields = differences(wanted, actual, { limit: 20, hide });
  if (fields.length === 0) return undefined;
  return { item, message: `differs in ${fields.length === 1 ? 'a field' : `${fields.length} fields`}`, differences: fields };
}

function ownerNames(owners: readonly JsonObject[]): string[] {
  return owners.map(ownerName);
}

/** All of a reference but the UID, which is another one on each cluster. */
function ownerName(owner: JsonObject): string {
  const { uid: _uid, ...rest } = owner;
  return canonicalJson(rest);
}

function asKind(entry: IndexEntry): ResourceKind {
  const { group, version, resource, kind, namespace } = entry;
  return { group, version, resource, kind, namespaced: namespace !== '', verbs: [], subresources: [] };
}
