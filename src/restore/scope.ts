import { type IndexEntry, indexKey } from '../domain/backup-set.ts';
import { at, isObject, parseJson } from '../domain/json.ts';
import { labelMatcher } from '../domain/label-selector.ts';
import { kindName } from '../domain/resource.ts';
import type { RestoreOptions } from '../domain/restore-plan.ts';
import { compileSelection, type Selection } from '../domain/selection.ts';
import type { SetReader } from '../repository/set-reader.ts';
import { baseRank, type OwnershipNode, ranksOfOwned } from './order.ts';

export interface ScopedKind {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Objects of it that are part of the restore. */
  readonly objects: number;
}

/** Where an owner lies in the set. */
export type OwnerRecord = Pick<IndexEntry, 'group' | 'version' | 'resource' | 'kind' | 'namespace' | 'name' | 'uid'>;

/** Which objects of a set a restore is about, and in which order. Holds what refers to owners, and nothing else per object. */
export interface Scope {
  /** Undefined for objects that are not part of the restore. */
  rankOf(entry: OwnerRecord): number | undefined;
  /** Namespaces and definitions that were not asked for, but that others need: made where they are missing, else left alone. */
  isRequired(entry: OwnerRecord): boolean;
  /** Does another object of the set name it as its owner? */
  isOwner(uid: string): boolean;
  owner(uid: string): OwnerRecord | undefined;
  /** Ascending, with the number of objects. */
  readonly ranks: readonly (readonly [rank: number, objects: number])[];
  /** Names of the shards that hold objects of a rank. */
  shardsOf(rank: number): ReadonlySet<string>;
  readonly kinds: readonly ScopedKind[];
  /** Names of the definitions that are part of the restore. */
  readonly definitions: ReadonlySet<string>;
  /** Namespaces of the objects, as they are called in the set. */
  readonly namespaces: ReadonlySet<string>;
  /** Those of them whose Namespace object is not in the set. */
  readonly unknownNamespaces: readonly string[];
  readonly objects: number;
}

const isNamespace = (entry: OwnerRecord) => entry.group === '' && entry.resource === 'namespaces';
const isDefinition = (entry: OwnerRecord) => kindName(entry) === 'customresourcedefinitions.apiextensions.k8s.io';

/** Reads the index twice, and with a label selector the selected objects once. USAGE when the selector cannot be read. */
export async function findScope(
  source: SetReader,
  { selection, forTenant }: Pick<RestoreOptions, 'selection' | 'forTenant'>,
  signal?: AbortSignal,
): Promise<Scope> {
  // Definitions are of the whole cluster, and bring more than the objects that need them.
  const customKinds = (found: Survey) => (forTenant === true ? new Set<string>() : found.customKinds);
  const selected = await selects(source, selection, signal);
  const first = await survey(source, selected, signal);
  const required = (entry: OwnerRecord) =>
    !selected(entry) &&
    ((isNamespace(entry) && first.namespaces.has(entry.name)) || (isDefinition(entry) && customKinds(first).has(entry.name)));
  const owners = await findOwners(source, first, signal);
  const ranks = ranksOfOwned(owners);
  const rankOf = (entry: OwnerRecord) => (selected(entry) || required(entry) ? (ranks.get(entry.uid) ?? baseRank(entry)) : undefined);
  const counted = await count(source, rankOf, signal);
  return {
    rankOf,
    isRequired: required,
    isOwner: uid => first.ownerUids.has(uid),
    owner: uid => owners.get(uid),
    ranks: [...counted.ranks].sort(([a], [b]) => a - b),
    shardsOf: rank => counted.shards.get(rank) ?? new Set(),
    kinds: [...counted.kinds.values()],
    definitions: counted.definitions,
    namespaces: first.namespaces,
    unknownNamespaces: [...first.namespaces].filter(name => !counted.namespaceObjects.has(name)),
    objects: counted.objects,
  };
}

/** A label selector can only be asked of the objects themselves. */
async function selects(source: SetReader, selection: Selection, signal?: AbortSignal): Promise<(entry: OwnerRecord) => boolean> {
  const selector = compileSelection(selection);
  const byIndex = (entry: OwnerRecord) => selector.object(entry);
  if (selection.labelSelector.trim() === '') return byIndex;
  const matches = labelMatcher(selection.labelSelector);
  const chosen = new Set<string>();
  await source.read(
    byIndex,
    (entry, json) => {
      const labels = at(parseJson(json), 'metadata', 'labels');
      if (matches(isObject(labels) ? labels : {})) chosen.add(indexKey(entry));
    },
    signal === undefined ? {} : { signal },
  );
  return entry => chosen.has(indexKey(entry));
}

interface Survey {
  readonly ownerUids: Set<string>;
  readonly namespaces: Set<string>;
  /** Names that the definitions of selected kinds would have. */
  readonly customKinds: Set<string>;
}

async function survey(source: SetReader, selected: (entry: OwnerRecord) => boolean, signal?: AbortSignal): Promise<Survey> {
  const found: Survey = { ownerUids: new Set(), namespaces: new Set(), customKinds: new Set() };
  for await (const entry of source.entries(signal === undefined ? {} : { signal })) {
    if (!selected(entry)) continue;
    for (const owner of entry.owners ?? []) found.ownerUids.add(owner);
    if (entry.namespace !== '') found.namespaces.add(entry.namespace);
    if (entry.group !== '') found.customKinds.add(kindName(entry));
  }
  return found;
}

type OwnedNode = OwnershipNode & OwnerRecord;

async function findOwners(source: SetReader, survey: Survey, signal?: AbortSignal): Promise<Map<string, OwnedNode>> {
  const nodes = new Map<string, OwnedNode>();
  for await (const entry of source.entries(signal === undefined ? {} : { signal })) {
    const { group, version, resource, kind, namespace, name, uid, owners } = entry;
    if (owners === undefined && !survey.ownerUids.has(uid)) continue;
    nodes.set(uid, { group, version, resource, kind, namespace, name, uid, owners: owners ?? [] });
  }
  return nodes;
}

async function count(source: SetReader, rankOf: (entry: OwnerRecord) => number | undefined, signal?: AbortSignal) {
  const ranks = new Map<number, number>();
  const kinds = new Map<string, { -readonly [K in keyof ScopedKind]: ScopedKind[K] }>();
  const namespaceObjects = new Set<string>();
  const definitions = new Set<string>();
  const shards = new Map<number, Set<string>>();
  let objects = 0;
  for await (const entry of source.entries(signal === undefined ? {} : { signal })) {
    const rank = rankOf(entry);
    if (rank === undefined) continue;
    objects++;
    ranks.set(rank, (ranks.get(rank) ?? 0) + 1);
    shards.set(rank, (shards.get(rank) ?? new Set()).add(entry.shard));
    if (isNamespace(entry)) namespaceObjects.add(entry.name);
    if (isDefinition(entry)) definitions.add(entry.name);
    const { group, version, resource, kind } = entry;
    const known = kinds.get(kindName(entry));
    if (known === undefined) kinds.set(kindName(entry), { group, version, resource, kind, namespaced: entry.namespace !== '', objects: 1 });
    else known.objects++;
  }
  return { ranks, shards, kinds, namespaceObjects, definitions, objects };
}
