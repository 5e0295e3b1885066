import { type CatalogOptions, type SetSummary, setFolders, summarize } from './catalog.ts';
import { mapAhead } from './concurrency.ts';
import type { CallOptions } from './read-bytes.ts';
import type { Repository } from './repository.ts';

const manifestsAhead = 16;

/** All sets of a repository, kept at hand: whoever asks waits for no store. */
export interface LiveCatalog {
  /**
   * Looks for sets that are new or gone: one listing, and a read for each set that is not known. True when something changed. Calls at one
   * moment are one. STORE_ codes; what was known stays.
   */
  refresh(options?: CallOptions): Promise<boolean>;
  /** Oldest first. Empty before the first refresh. */
  sets(): readonly SetSummary[];
  get(id: string): SetSummary | undefined;
  /** Grows whenever the sets change. */
  version(): number;
}

export function openLiveCatalog(repository: Repository, options: Pick<CatalogOptions, 'trusted'> = {}): LiveCatalog {
  let known = new Map<string, SetSummary>();
  let sorted: readonly SetSummary[] = [];
  let version = 0;
  let looking: Promise<boolean> | undefined;

  const look = async (call: CallOptions): Promise<boolean> => {
    const found = new Map<string, SetSummary>();
    const summaries = mapAhead(
      setFolders(repository, call),
      manifestsAhead,
      async id => known.get(id) ?? summarize(repository, id, { ...options, ...call }),
    );
    let news = 0;
    for await (const summary of summaries) {
      if (summary === undefined) continue;
      if (!known.has(summary.id)) news++;
      found.set(summary.id, summary);
    }
    if (news === 0 && found.size === known.size) return false;
    known = found;
    sorted = [...found.values()];
    version++;
    return true;
  };

  return {
    refresh: (call = {}) => {
      looking ??= look(call).finally(() => {
        looking = undefined;
      });
      return looking;
    },
    sets: () => sorted,
    get: id => known.get(id),
    version: () => version,
  };
}
