import type { Runtime } from '../domain/runtime.ts';

/** One page of a listing: so many from there on. */
export interface Page {
  /** What is listed, for whoever may see it: pages with the same are of one listing. */
  readonly of: string;
  readonly from: number;
  readonly most: number;
  readonly signal: AbortSignal;
}

export interface Listings<T> {
  /** `begin`: starts the listing, which goes on for as long as its signal is not aborted. Its errors, and the signal’s reason. */
  page(page: Page, begin: (signal: AbortSignal) => AsyncGenerator<T>): Promise<T[]>;
}

export interface ListingsOptions {
  /** Listings that are there at a time, kept ones too; the callers see to it that no more are asked for. */
  readonly atOnce: number;
  /** How long one waits for its next page, milliseconds. */
  readonly keepMs: number;
  readonly runtime: Pick<Runtime, 'sleep'>;
}

interface Listing<T> {
  readonly of: string;
  readonly items: AsyncGenerator<T>;
  readonly life: AbortController;
  /** Where `last` stands; items before it are gone. */
  at: number;
  /** Read already: a page ends one item earlier than its caller looks. */
  last: T | undefined;
}

/**
 * Pages of listings that cannot begin in the middle. One that was not read to its end waits for its next page, so that this need not read all pages
 * before it again; a page that finds none waiting, as in another replica or too late, begins anew.
 */
export function createListings<T>({ atOnce, keepMs, runtime }: ListingsOptions): Listings<T> {
  const kept = new Map<Listing<T>, AbortController>();
  let busy = 0;

  const take = (listing: Listing<T>): void => {
    kept.get(listing)?.abort();
    kept.delete(listing);
  };
  const end = (listing: Listing<T>): void => {
    take(listing);
    listing.life.abort();
    listing.items.return(undefined).catch(() => {});
  };
  const keep = (listing: Listing<T>): void => {
    const taken = new AbortController();
    kept.set(listing, taken);
    runtime.sleep(keepMs, taken.signal).then(
      () => end(listing),
      () => {},
    );
  };
  const find = ({ of, from }: Page): Listing<T> | undefined => [...kept.keys()].find(one => one.of === of && one.at === from);

  const open = (page: Page, begin: (signal: AbortSignal) => AsyncGenerator<T>): Listing<T> => {
    const found = find(page);
    if (found !== undefined) {
      take(found);
      return found;
    }
    // The one that has waited longest makes room.
    for (const oldest of [...kept.keys()].slice(0, Math.max(0, busy + kept.size + 1 - atOnce))) end(oldest);
    const life = new AbortController();
    return { of: page.of, items: begin(life.signal), life, at: -1, last: undefined };
  };

  return {
    page: async (page, begin) => {
      const { from, most, signal } = page;
      signal.throwIfAborted();
      const listing = open(page, begin);
      const stop = () => listing.life.abort(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      busy += 1;
      try {
        const found: T[] = listing.at === from && listing.last !== undefined ? [listing.last] : [];
        while (found.length < most) {
          const next = await listing.items.next();
          if (next.done) {
            end(listing);
            return found;
          }
          listing.at += 1;
          listing.last = next.value;
          if (listing.at >= from) found.push(next.value);
        }
        keep(listing);
        return found;
      } catch (thrown) {
        end(listing);
        throw thrown;
      } finally {
        busy -= 1;
        signal.removeEventListener('abort', stop);
      }
    },
  };
}
