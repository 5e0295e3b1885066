import { sha256Hex } from '../crypto/digest.ts';
import { asHoldfastError } from '../domain/errors.ts';
import { setTime, stampOf } from '../domain/set-id.ts';
import { type CatalogOptions, readSummary, type SetSummary, setFolders, setsWithManifest } from './catalog.ts';
import { dropOldSnapshots, readNewestSnapshot, type SignedSummary, type SnapshotWriting, writeSnapshot } from './catalog-snapshot.ts';
import { mapAhead, unlessAborted } from './concurrency.ts';
import type { CallOptions } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { createSetPool } from './set-pool.ts';

const manifestsAhead = 16;
/** Sets that could not be read are read again, so many at each refresh: somebody may have put their manifest right. */
const rereadAtOnce = 20;
/** A snapshot that lacks so many sets is worth writing anew. */
const snapshotAfterSets = 100;
const snapshotAfterMs = 24 * 3_600_000;
/** Longer than any backup takes: the id of a set says when it began, and it is there when it has ended. */
const weekMs = 7 * 24 * 3_600_000;

export interface RefreshOptions extends CallOptions {
  /**
   * Look for the manifest of each known set as well. A set is gone when its manifest is, while its other files are still being deleted; only
   * this way that is seen where another process deletes. Whoever decides by what there is, such as retention, asks so.
   */
  readonly thorough?: boolean;
  /**
   * Now. Only sets that began in the week before it, or before the newest known one if that is older, are looked for: of ten thousand sets a
   * store then names a few. One that was deleted elsewhere, or was dated by a clock that was wrong, is seen by a look without it.
   */
  readonly recent?: Date;
}

/** All sets of a repository, kept at hand: whoever asks waits for no store. */
export interface LiveCatalog {
  /**
   * Looks for sets that are new or gone: one listing, and a read for each set that is not known; at first those of the newest snapshot are.
   * True when something changed. Calls at one moment are one. STORE_ codes; what was known stays.
   */
  refresh(options?: RefreshOptions): Promise<boolean>;
  /** Oldest first. Empty before the first refresh. */
  sets(): readonly SetSummary[];
  get(id: string): SetSummary | undefined;
  /** The set’s manifest was deleted here. */
  forget(id: string): void;
  /** Grows whenever the sets change. */
  version(): number;
  /** The same text for the same sets, in any process; lower-case hex. */
  etag(): string;
  /**
   * Writes a snapshot where the newest lacks 100 sets, or is a day old and differs, and keeps the two newest. True when both were done. Nothing
   * depends on it, so that a store which refuses is a notice. NOT_LEADER.
   */
  keepSnapshot(options: SnapshotWriting): Promise<boolean>;
}

export interface LiveCatalogOptions extends Pick<CatalogOptions, 'trusted'> {
  /** Told in words of snapshots that were passed over, and the like. */
  readonly onNotice?: (notice: string) => void;
}

interface Known {
  readonly summary: SetSummary;
  /** Of the key that signed its manifest; empty where that could not be read. */
  readonly keyId: string;
}

/** How closely a look looks. */
const depths = { recent: 0, all: 1, thorough: 2 } as const;

interface Look {
  readonly depth: number;
  readonly signal: AbortSignal | undefined;
  readonly changed: Promise<boolean>;
}

export function openLiveCatalog(repository: Repository, options: LiveCatalogOptions = {}): LiveCatalog {
  const pool = createSetPool();
  const forgotten = new Set<string>();
  let known = new Map<string, Known>();
  let sorted: readonly SetSummary[] = [];
  let version = 0;
  let etag: string | undefined;
  let looking: Look | undefined;
  /** Ids in the newest snapshot; undefined before it was looked for. */
  let saved: { readonly at: number; readonly ids: ReadonlySet<string> } | undefined;

  const settle = (sets: Map<string, Known>): void => {
    known = sets;
    sorted = Array.from(sets.values(), one => one.summary);
    etag = undefined;
    version++;
  };

  /** What the newest snapshot says, until the listing has said which of it is there. */
  const loadSnapshot = async (call: CallOptions): Promise<ReadonlyMap<string, Known>> => {
    const snapshot = await readNewestSnapshot(repository, { ...options, ...call });
    const sets = new Map((snapshot?.sets ?? []).map(set => [set.summary.id, pool(set)]));
    saved = { at: snapshot?.at.getTime() ?? Number.NEGATIVE_INFINITY, ids: new Set(sets.keys()) };
    return sets;
  };

  const look = async (depth: number, recent: Date | undefined, call: CallOptions): Promise<boolean> => {
    forgotten.clear();
    const before: ReadonlyMap<string, Known> = saved === undefined ? await loadSnapshot(call) : known;
    let rereads = rereadAtOnce;
    const startAfter = recent === undefined ? undefined : weekBefore(recent, sorted.at(-1));
    const named = await Array.fromAsync(
      depth === depths.thorough
        ? setsWithManifest(repository, call)
        : setFolders(repository, { ...call, mayBeEmpty: true, ...(startAfter !== undefined && { startAfter }) }),
    );
    const isOpen = (there: Known | undefined) => there === undefined || (there.summary.phase === 'Unreadable' && rereads-- > 0);
    const open = named.filter(id => isOpen(before.get(id)));
    const older = startAfter === undefined ? 0 : countBefore(sorted, startAfter);
    // Of ten thousand sets mostly none is new: what is known is known without a promise for each, every minute.
    if (open.length === 0 && forgotten.size === 0 && before === known && older + named.length === known.size) return false;
    const listed = [...sorted.slice(0, older).map(set => set.id), ...named];
    const read = async (id: string): Promise<[string, Known | undefined]> => {
      const set = await readSummary(repository, id, { trusted: options.trusted, ...call });
      if (set === undefined) return [id, undefined];
      return [id, 'keyId' in set ? pool(set) : { summary: set.summary, keyId: '' }];
    };
    const news = new Map(await Array.fromAsync(mapAhead(open, manifestsAhead, read)));
    const found = new Map<string, Known>();
    for (const id of listed) {
      const there = before.get(id);
      const now = news.has(id) ? sameOr(there, news.get(id)) : there;
      // Under its own text: that of the listing would be kept besides.
      if (now !== undefined) found.set(now.summary.id, now);
    }
    for (const id of forgotten) found.delete(id);
    if (found.size === known.size && [...found].every(([id, set]) => known.get(id) === set)) return false;
    settle(found);
    return true;
  };

  /** Shares what is under way, where it looks as closely as this caller wants. */
  const refresh = async ({ thorough = false, recent, signal }: RefreshOptions): Promise<boolean> => {
    const isRecent = !thorough && recent !== undefined && sorted.length > 0;
    const depth = thorough ? depths.thorough : isRecent ? depths.recent : depths.all;
    for (;;) {
      signal?.throwIfAborted();
      const shared = looking;
      if (shared === undefined) break;
      const isEnough = shared.depth >= depth;
      try {
        const changed = await unlessAborted(shared.changed, signal);
        if (isEnough) return changed;
      } catch (thrown) {
        // It ended because its own caller went.
        if (isEnough && shared.signal?.aborted !== true) throw thrown;
      }
    }
    const changed = look(depth, isRecent ? recent : undefined, { signal }).finally(() => {
      looking = undefined;
    });
    looking = { depth, signal, changed };
    return changed;
  };

  return {
    refresh: (call = {}) => refresh(call),
    sets: () => sorted,
    get: id => known.get(id)?.summary,
    forget: id => {
      forgotten.add(id);
      if (known.has(id)) settle(new Map([...known].filter(([other]) => other !== id)));
    },
    version: () => version,
    etag: () => {
      etag ??= sha256Hex(Buffer.from(sorted.map(fingerprint).join('\n')));
      return etag;
    },
    keepSnapshot: async writing => {
      const sets = [...known.values()].filter((set): set is SignedSummary => set.summary.phase !== 'Unreadable');
      if (saved === undefined || !isWorthIt(sets, saved, writing.runtime.now().getTime())) return false;
      try {
        const at = await writeSnapshot(repository, sets, writing);
        saved = { at: at.getTime(), ids: new Set(sets.map(set => set.summary.id)) };
        await dropOldSnapshots(repository, writing);
      } catch (thrown) {
        writing.signal?.throwIfAborted();
        const { code, message } = asHoldfastError(thrown);
        if (!code.startsWith('STORE_')) throw thrown;
        options.onNotice?.(`snapshots of the catalog are not kept as they should be: ${message}`);
        return false;
      }
      return true;
    },
  };
}

/** What ids begin with that are a week older than either. */
function weekBefore(now: Date, newest: SetSummary | undefined): string {
  const known = newest === undefined ? undefined : setTime(newest.id);
  return stampOf(new Date(Math.min(now.getTime(), known?.getTime() ?? Number.POSITIVE_INFINITY) - weekMs));
}

/** How many of them, oldest first, have an id before this one. */
function countBefore(sets: readonly SetSummary[], id: string): number {
  let [low, high] = [0, sets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sets[middle]!.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What was known, unless something else is known now. */
function sameOr(before: Known | undefined, now: Known | undefined): Known | undefined {
  if (before === undefined) return now;
  return now !== undefined && fingerprint(now.summary) === fingerprint(before.summary) ? before : now;
}

/** A set never changes; only whether it can be read. */
function fingerprint(set: SetSummary): string {
  return set.phase === 'Unreadable' ? `${set.id} ${set.error.message}` : set.id;
}

function isWorthIt(
  sets: readonly SignedSummary[],
  saved: { readonly at: number; readonly ids: ReadonlySet<string> },
  now: number,
): boolean {
  const missing = sets.filter(set => !saved.ids.has(set.summary.id)).length;
  if (missing >= snapshotAfterSets) return true;
  const differs = missing > 0 || saved.ids.size !== sets.length;
  return differs && Math.abs(now - saved.at) >= snapshotAfterMs;
}
