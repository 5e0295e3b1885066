import type { Lease } from '../cluster/lease.ts';
import { asHoldfastError, isCode } from '../domain/errors.ts';
import { at, type JsonObject, stringAt } from '../domain/json.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import { volumeNames } from '../domain/volume.ts';
import type { Orphan, OrphansFound, OwnObject, RemovedOrphan } from '../domain/volume-upkeep.ts';
import { setFolders } from '../repository/catalog.ts';
import { readManifest } from '../repository/read-manifest.ts';
import type { Repository } from '../repository/repository.ts';
import type { FrozenPods } from './frozen-pods.ts';
import { claims, configMaps, jobs, secrets, snapshotContents, volumeSnapshots, volumes } from './kinds.ts';
import { isForeign } from './labels.ts';
import type { Objects } from './objects.ts';
import { orphanReason } from './orphan-rules.ts';
import { discardPatch, letGo, readTaken } from './reclaim.ts';
import type { ScaledWorkloads } from './scaled-workloads.ts';
import { workLeaseName } from './work-lease.ts';

export interface OrphansInput {
  readonly objects: Objects;
  readonly repository: Repository;
  /** Whose leftovers are looked for. */
  readonly installation?: string;
  /** A Lease of the service's namespace: what belongs to a run that goes on is not left over. */
  readonly lease: (name: string) => Lease;
  /** Public keys (PEM) of which one must have signed a set; the repository's own unless given. */
  readonly trusted: readonly string[];
  readonly now: Date;
  /** Younger ones may still be worked with. */
  readonly olderThanMs: number;
  readonly signal: AbortSignal;
}

/** What is younger may still be worked with, unless somebody knows better. */
export const orphanAgeMs = 86_400_000;

/** In the order in which they are removed: who uses comes before what is used. */
const kinds: readonly ResourceKind[] = [configMaps, jobs, secrets, claims, volumes, volumeSnapshots, snapshotContents];

/** What backups and restores of volumes have left in a cluster and nobody needs any more. Writes nothing. */
export async function findOrphans(input: OrphansInput): Promise<OrphansFound> {
  const { objects, installation, now, olderThanMs, signal } = input;
  const ours = new Map<ResourceKind, JsonObject[]>();
  for (const kind of kinds)
    ours.set(
      kind,
      (await listOurs(objects, kind, signal)).filter(object => !isForeign(object, installation)),
    );
  const old = [...ours.values()].flat().some(object => now.getTime() - createdAt(object).getTime() >= olderThanMs);
  if (!old) return { orphans: [], notices: [] };
  const { keptSnapshots, notices } = await keptBySets(input);
  const snapshots = new Set((await listAll(objects, volumeSnapshots, signal)).map(placeOf));
  const boundTo = new Map(
    (ours.get(snapshotContents) ?? []).flatMap(content => {
      const place = `${stringAt(content, 'spec', 'volumeSnapshotRef', 'namespace')}/${stringAt(content, 'spec', 'volumeSnapshotRef', 'name')}`;
      return snapshots.has(place) ? [[stringAt(content, 'metadata', 'name') ?? '', place] as const] : [];
    }),
  );
  const known = { keptSnapshots, boundTo, now, olderThanMs, whole: notices.length === 0 };
  const goesOn = runsThatGoOn(input);
  const orphans: Orphan[] = [];
  for (const kind of kinds) {
    for (const object of ours.get(kind) ?? []) {
      const whole = ownObject(kind, object);
      const { createdAt: created, inUse: _, ...own } = whole;
      const reason = orphanReason(whole, known);
      if (reason !== undefined && !(await goesOn(own.work))) orphans.push({ ...own, ageMs: now.getTime() - created.getTime(), reason });
    }
  }
  return { orphans, notices };
}

/** A Lease that was renewed no longer ago than this, by clocks of two machines, may be held. */
const renewedMs = 10 * 60_000;

/** Does anybody renew the Lease of the work? Each is read once. */
function runsThatGoOn({ lease, now, signal }: OrphansInput): (work: string) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  const read = async (work: string) => {
    const held = await lease(workLeaseName(work)).read({ signal });
    return held !== undefined && now.getTime() - Date.parse(held.record.renewTime) < renewedMs;
  };
  return work => {
    const asked = known.get(work) ?? read(work);
    known.set(work, asked);
    return asked;
  };
}

export interface RemoveOptions {
  readonly objects: Objects;
  readonly frozen: FrozenPods;
  readonly scaled: ScaledWorkloads;
  /** The service's own. */
  readonly namespace: string;
  readonly signal: AbortSignal;
}

interface Removal extends RemoveOptions {
  /** All of the cluster, listed once, when they are first asked for. */
  readonly contents: () => Promise<readonly JsonObject[]>;
  /** Names of those that were removed since. */
  readonly gone: Set<string>;
}

/** Removes them, each by itself; what cannot be removed is told. A pod that was left frozen is thawed, a workload that was left scaled down scaled up. */
export async function removeOrphans(orphans: readonly Orphan[], options: RemoveOptions): Promise<readonly RemovedOrphan[]> {
  const results: RemovedOrphan[] = [];
  let listed: readonly JsonObject[] | undefined;
  const contents = async () => {
    listed ??= await listAll(options.objects, snapshotContents, options.signal);
    return listed;
  };
  const removal: Removal = { ...options, contents, gone: new Set() };
  for (const orphan of orphans) {
    try {
      await removeOne(orphan, removal);
      results.push({ orphan, removed: true, reason: '' });
    } catch (thrown) {
      options.signal.throwIfAborted();
      const { code, message } = asHoldfastError(thrown);
      results.push({ orphan, removed: false, reason: message, code });
    }
  }
  return results;
}

async function removeOne({ kind: called, namespace, name, role }: Orphan, removal: Removal): Promise<void> {
  const { objects, frozen, scaled, namespace: home, signal } = removal;
  const kind = kinds.find(one => kindName(one) === called);
  if (kind === undefined) return;
  if (kind === configMaps) return await (role === 'scaled' ? scaled.scaleUpNoted(name, signal) : frozen.thawNoted(name, signal));
  if (kind === volumes) {
    const volume = await objects.read(kind, '', name, signal);
    if (volume !== undefined) await objects.merge(kind, '', name, discardPatch(volume, home), signal);
    return;
  }
  if (kind === claims) {
    const volume = stringAt(await objects.read(kind, namespace, name, signal), 'spec', 'volumeName');
    const found = volume === undefined ? undefined : await objects.read(volumes, '', volume, signal);
    if (volume !== undefined && found !== undefined) await objects.merge(volumes, '', volume, letGo(found), signal);
  }
  const content =
    kind === snapshotContents ? name : kind === volumeSnapshots ? contentOf(await objects.read(kind, namespace, name, signal)) : undefined;
  if (content !== undefined) await letSnapshotGo(removal, content);
  if (kind !== snapshotContents) await objects.remove(kind, namespace, name, signal);
  if (content === undefined) return;
  await objects.remove(snapshotContents, '', content, signal);
  removal.gone.add(content);
}

function contentOf(snapshot: JsonObject | undefined): string | undefined {
  return (
    stringAt(snapshot, 'status', 'boundVolumeSnapshotContentName') ?? stringAt(snapshot, 'spec', 'source', 'volumeSnapshotContentName')
  );
}

/** The snapshot in the storage goes along, unless another content is of the same one that is not about to go itself. */
async function letSnapshotGo({ objects, contents, gone, signal }: Removal, name: string): Promise<void> {
  const all = await contents();
  const handle = (content: JsonObject | undefined) =>
    stringAt(content, 'status', 'snapshotHandle') ?? stringAt(content, 'spec', 'source', 'snapshotHandle');
  const mine = all.find(content => stringAt(content, 'metadata', 'name') === name);
  const stays = (content: JsonObject) =>
    at(content, 'metadata', 'deletionTimestamp') === undefined && !gone.has(stringAt(content, 'metadata', 'name') ?? '');
  if (mine === undefined || all.some(other => other !== mine && handle(other) === handle(mine) && stays(other))) return;
  await objects.merge(snapshotContents, '', name, { spec: { deletionPolicy: 'Delete' } }, signal);
}

/** Kept snapshots that sets name. */
async function keptBySets({ repository, trusted, signal }: OrphansInput): Promise<{ keptSnapshots: Set<string>; notices: string[] }> {
  const keptSnapshots = new Set<string>();
  const notices: string[] = [];
  for await (const id of setFolders(repository, { signal })) {
    try {
      const signed = await readManifest(repository, id, { trusted, signal });
      for (const { snapshot } of signed?.manifest.volumes ?? []) {
        if (snapshot?.kept !== undefined) keptSnapshots.add(`${snapshot.kept.namespace}/${snapshot.kept.name}`);
      }
    } catch (thrown) {
      signal.throwIfAborted();
      notices.push(`no snapshot counts as left over, since ${id} cannot be read: ${asHoldfastError(thrown).message}`);
    }
  }
  return { keptSnapshots, notices };
}

function ownObject(kind: ResourceKind, object: JsonObject): OwnObject {
  const label = (name: string) => stringAt(object, 'metadata', 'labels', name) ?? '';
  const active = at(object, 'status', 'active');
  return {
    kind: kindName(kind),
    namespace: stringAt(object, 'metadata', 'namespace') ?? '',
    name: stringAt(object, 'metadata', 'name') ?? '',
    role: label(volumeNames.roleLabel),
    work: label(volumeNames.workLabel),
    claim: stringAt(object, 'metadata', 'annotations', volumeNames.claimAnnotation) ?? stringAt(object, 'data', 'pod') ?? '',
    createdAt: createdAt(object),
    inUse: (kind === volumes && stringAt(object, 'status', 'phase') === 'Bound') || (typeof active === 'number' && active > 0),
  };
}

/** A volume that was there before us is as old as what we do with it. */
function createdAt(object: JsonObject): Date {
  return new Date(readTaken(object)?.at ?? stringAt(object, 'metadata', 'creationTimestamp') ?? 0);
}

function placeOf(object: JsonObject): string {
  return `${stringAt(object, 'metadata', 'namespace')}/${stringAt(object, 'metadata', 'name')}`;
}

/** Nothing where the cluster does not know the kind: not every cluster takes snapshots. */
async function listAll(objects: Objects, kind: ResourceKind, signal: AbortSignal, labelSelector?: string): Promise<JsonObject[]> {
  try {
    return await objects.list(kind, labelSelector === undefined ? {} : { labelSelector }, signal);
  } catch (thrown) {
    if (isCode(thrown, 'CLUSTER_NOT_FOUND')) return [];
    throw thrown;
  }
}

function listOurs(objects: Objects, kind: ResourceKind, signal: AbortSignal): Promise<JsonObject[]> {
  return listAll(objects, kind, signal, volumeNames.roleLabel);
}

const mostNamed = 500;

/** What the ledger is told of a removal; undefined where there was nothing to remove. */
export function removalFact(removed: readonly RemovedOrphan[]): Omit<LedgerFact, 'actor'> | undefined {
  if (removed.length === 0) return undefined;
  const names = removed.filter(one => one.removed).map(({ orphan }) => `${orphan.kind} ${orphan.namespace}/${orphan.name}`);
  const details = { removed: names.slice(0, mostNamed), failed: removed.length - names.length };
  return { action: 'volumes.orphans-removed', subject: 'volumes', details };
}
