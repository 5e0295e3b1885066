import type { BackupChoice, BackupDetails, BackupQuery, Backups, ObjectQuery, Page } from '../api/service.ts';
import type { IndexEntry } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { scopeContains, selectionReaches } from '../domain/namespace-scope.ts';
import { kindName } from '../domain/resource.ts';
import type { SetSummary } from '../repository/catalog.ts';
import { holdOf } from '../repository/holds.ts';
import { requireManifest } from '../repository/read-manifest.ts';
import { openSet } from '../repository/set-reader.ts';
import { findSet } from './restore-jobs.ts';
import type { Planner } from './retention-planner.ts';
import type { World } from './world.ts';

/** Lists come from the catalog at hand; one set is read from the repository. */
export function backupsOf(world: World, planner: Planner): Backups {
  return {
    list: async query => pageOf(world.catalog.sets(), query),
    get: (text, query, signal) => detailsOf(world, planner, { text, ...query }, signal),
    objects: (text, query, signal) => objectsOf(world, text, query, signal),
  };
}

function pageOf(sets: readonly SetSummary[], query: BackupQuery): Page<SetSummary> {
  const items: SetSummary[] = [];
  for (let i = sets.length - 1; i >= 0; i--) {
    const set = sets[i]!;
    if ((query.after !== undefined && set.id >= query.after) || !matches(set, query)) continue;
    if (items.length === query.limit) return { items, next: items.at(-1)!.id };
    items.push(set);
  }
  return { items };
}

function matches(set: SetSummary, { tier, phase, policy, within }: BackupQuery): boolean {
  if (phase !== undefined && set.phase !== phase) return false;
  if (set.phase === 'Unreadable') return tier === undefined && policy === undefined && within === undefined;
  if (tier !== undefined && set.tier !== tier && !set.fires.some(fire => fire.tier === tier)) return false;
  if (policy !== undefined && !set.fires.some(fire => fire.policy === policy)) return false;
  return within === undefined || selectionReaches(set.selection, within);
}

/** Read up to the end of the page: an index is a stream. */
async function objectsOf(world: World, text: string, query: ObjectQuery, signal: AbortSignal): Promise<IndexEntry[]> {
  const { from, limit, within, cluster } = query;
  const id = isKnown(world, text, cluster) ? text : await findSet(world, text, { cluster, within, signal });
  const set = await openSet(world.repository, id, { trusted: world.keys.trusted, signal });
  const items: IndexEntry[] = [];
  let seen = 0;
  for await (const entry of set.entries({ signal })) {
    if (within !== undefined && !scopeContains(within, namespaceOf(entry))) continue;
    if (seen++ >= from) items.push(entry);
    if (items.length === limit) break;
  }
  return items;
}

/** Then nothing has to be looked for. */
function isKnown(world: World, text: string, cluster: string | undefined): boolean {
  return cluster === undefined && world.catalog.get(text) !== undefined;
}

/** A Namespace lies in itself. */
function namespaceOf(entry: IndexEntry): string {
  return kindName(entry) === 'namespaces' ? entry.name : entry.namespace;
}

async function detailsOf(
  world: World,
  planner: Planner,
  { text, ...asked }: { readonly text: string } & BackupChoice,
  signal: AbortSignal,
): Promise<BackupDetails> {
  const id = isKnown(world, text, asked.cluster) ? text : await findSet(world, text, { ...asked, signal });
  const { trusted } = world.keys;
  const [{ manifest, signature }, held, { decisions }] = await Promise.all([
    requireManifest(world.repository, id, { trusted, signal }),
    holdOf(world.repository, id, { trusted, signal }),
    planner.now(signal),
  ]);
  let summary = world.catalog.get(id);
  if (summary === undefined) {
    await world.catalog.refresh({ signal });
    summary = world.catalog.get(id);
  }
  if (summary === undefined || summary.phase === 'Unreadable') throw new HoldfastError('BACKUP_NOT_FOUND', `there is no backup ${id}`);
  const { expiresAt, reasons } = decisions.get(id) ?? {};
  return {
    ...{ summary, manifest, signature },
    ...(held !== undefined && { hold: held }),
    ...(reasons !== undefined && { retention: { reasons, ...(expiresAt !== undefined && { expiresAt }) } }),
  };
}
