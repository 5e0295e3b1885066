import type { LedgerEntry } from '../domain/ledger.ts';
import type { World } from './world.ts';

const pageEntries = 100;

/**
 * What the ledger tells since then, newest first, and some that is older: it goes back to the first page on which everything is, since clocks of
 * writers differ. STORE_ codes; BACKUP_CORRUPT or SIGNATURE_INVALID where an entry on the way is missing or altered.
 */
export async function* entriesSince({ ledger }: Pick<World, 'ledger'>, since: Date, signal: AbortSignal): AsyncGenerator<LedgerEntry> {
  for (let before: number | undefined; before !== 1; ) {
    const page = await ledger.read({ limit: pageEntries, ...(before !== undefined && { before }) }, { signal });
    yield* page;
    if (page.length < pageEntries || page.every(({ at }) => Date.parse(at) < since.getTime())) return;
    before = page.at(-1)!.seq;
  }
}
