import { clusterName } from '../domain/cluster-identity.ts';
import type { LedgerEntry } from '../domain/ledger.ts';
import { isDamage } from '../repository/damage.ts';
import { isOfHome } from './home.ts';
import { entriesSince } from './ledger-since.ts';
import type { World } from './world.ts';

const dayMs = 24 * 3_600_000;
/** What ended longer ago is not looked for, where nothing says when this cluster told the ledger last. */
const longestOutageMs = 31 * dayMs;

type Surroundings = Pick<World, 'ledger' | 'runtime' | 'log' | 'catalog' | 'home'>;

/**
 * A day before the ledger was last told anything, in a repository of several clusters anything of this one: what ended later, and after that
 * before a service was here again, may be untold. STORE_ codes.
 */
export async function lastTold(world: Surroundings, signal: AbortSignal): Promise<Date> {
  const now = world.runtime.now().getTime();
  try {
    const at = isShared(world) ? await lastOfOwn(world, now - longestOutageMs, signal) : await lastOfAll(world, signal);
    return new Date(Math.min(now, at ?? now) - dayMs);
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    world.log.error({ err: thrown }, 'the end of the ledger cannot be read');
    return new Date(now - dayMs);
  }
}

/** Does the repository have sets of other clusters? */
export function isShared(world: Pick<World, 'catalog' | 'home'>): boolean {
  return world.catalog.sets().some(set => set.phase !== 'Unreadable' && !isOfHome(world, set.cluster));
}

async function lastOfAll({ ledger }: Surroundings, signal: AbortSignal): Promise<number | undefined> {
  const [last] = await ledger.read({ limit: 1 }, { signal });
  return last && Date.parse(last.at);
}

/** Services of other clusters may have told of theirs all along. */
async function lastOfOwn(world: Surroundings, earliest: number, signal: AbortSignal): Promise<number> {
  for await (const entry of entriesSince(world, new Date(earliest), signal)) {
    if (isOwn(world, entry)) return Math.max(earliest, Date.parse(entry.at));
  }
  return earliest;
}

/** What was told later may not have been all that there was to tell. */
function isOwn({ catalog, home }: Surroundings, { action, subject, details }: LedgerEntry): boolean {
  if (action === 'service.started') return home !== undefined && details['cluster'] === clusterName(home.identity);
  if (!action.startsWith('backup.') || details['toldLater'] === true) return false;
  const set = catalog.get(subject);
  return set !== undefined && set.phase !== 'Unreadable' && isOfHome({ home }, set.cluster);
}
