import { type BackupCounts, countBackup } from '../domain/backup-counts.ts';
import type { Manifest } from '../domain/backup-set.ts';
import { clockSlackMs } from '../domain/clock-slack.ts';
import type { Actor } from '../domain/operation.ts';
import type { ReadableSet } from '../repository/catalog.ts';
import { isDamage } from '../repository/damage.ts';
import { readManifest } from '../repository/read-manifest.ts';
import { isOfHome } from './home.ts';
import { entriesSince } from './ledger-since.ts';
import { record, type World } from './world.ts';

const actor: Actor = { name: 'holdfast', via: 'service' };

/**
 * Tells the ledger of the cluster's sets since then that it does not name: their writer ended between making them visible and telling, or told
 * nobody, as a local command. What is damaged keeps no leader from beginning: a set that cannot be read is logged and left out, and so are all where
 * the ledger itself cannot be read. STORE_ codes.
 */
export async function tellOfSets(world: World, { since, signal }: { since: Date; signal: AbortSignal }) {
  const latest = world.runtime.now().getTime() + clockSlackMs;
  const isMeant = (set: ReadableSet): boolean => {
    const at = Date.parse(set.startedAt);
    return isOfHome(world, set.cluster) && at >= since.getTime() && at <= latest;
  };
  const sets = world.catalog.sets().filter((set): set is ReadableSet => set.phase !== 'Unreadable' && isMeant(set));
  if (sets.length === 0) return;
  const told = await namedSince(world, since, signal);
  if (told === undefined) return;
  for (const { id, tier, phase } of sets) {
    if (told.has(id)) continue;
    const counts = await countsOf(world, id, signal);
    if (counts !== undefined) await tell(world, { id, tier, phase }, counts);
  }
}

/** The same of one set, whose writer was stopped. */
export async function tellOfSet(world: World, manifest: Manifest, { since, signal }: { since: Date; signal: AbortSignal }): Promise<void> {
  const told = await namedSince(world, since, signal);
  if (told !== undefined && !told.has(manifest.id)) await tell(world, manifest, countBackup(manifest));
}

function tell(world: World, { id, tier, phase }: Pick<Manifest, 'id' | 'tier' | 'phase'>, counts: BackupCounts): Promise<void> {
  const action = phase === 'Completed' ? 'backup.completed' : 'backup.partially-failed';
  return record(world, { action, actor, subject: id, details: { tier, ...counts, toldLater: true } });
}

/** Of its manifest: the catalog, which may know ten thousand sets, keeps no counts of claims for the few that are ever asked for them. */
async function countsOf({ repository, keys, log }: World, id: string, signal: AbortSignal): Promise<BackupCounts | undefined> {
  try {
    const found = await readManifest(repository, id, { trusted: keys.trusted, signal });
    return found && countBackup(found.manifest);
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    log.error({ err: thrown, set: id }, 'the ledger cannot be told of a set');
    return undefined;
  }
}

/** Undefined where an entry on the way is missing or altered. */
async function namedSince(world: World, since: Date, signal: AbortSignal): Promise<ReadonlySet<string> | undefined> {
  const named = new Set<string>();
  try {
    for await (const { subject } of entriesSince(world, since, signal)) named.add(subject);
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    world.log.error({ err: thrown }, 'which sets the ledger was told of cannot be read');
    return undefined;
  }
  return named;
}
