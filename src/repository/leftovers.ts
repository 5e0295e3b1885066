import type { Runtime } from '../domain/runtime.ts';
import { setIdPattern } from '../domain/set-id.ts';
import { eachConcurrently } from './concurrency.ts';
import { setPrefix } from './layout.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import { maxManifestBytes } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { claimsPrefix, type FinishOptions, finishClaims } from './run-claim.ts';

/** A run that writes for longer than this without a pause still goes on; one that has not written for as long is dead. */
export const leftoverAgeMs = 24 * 3_600_000;

const claimsAtOnce = 8;

/** A folder below `backups/` without a manifest. */
export interface Leftover {
  readonly id: string;
  /** When its newest file was written, by the store's clock; undefined for a folder without files. */
  readonly newest: Date | undefined;
}

/** What lies in folders that have no manifest. */
export async function readLeftovers(repository: Repository, ids: readonly string[], options: CallOptions): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const id of ids) {
    let newest: Date | undefined;
    for await (const { modified } of repository.store.list(setPrefix(id), withSignal(options))) {
      if (newest === undefined || modified > newest) newest = modified;
    }
    found.push({ id, newest });
  }
  return found;
}

export interface ClaimedLeftovers {
  /** Sets that are visible now. */
  readonly finished: readonly string[];
  /** May this folder be one that a damaged claim is about? Its files may be all that is left of that set. */
  mayBeClaimed(id: string): boolean;
  /** What is wrong with claims that cannot be finished. */
  readonly broken: readonly string[];
}

/** Makes visible what was claimed and not finished; what lies in the others of these folders is of no set. */
export async function finishLeftovers(repository: Repository, options: FinishOptions): Promise<ClaimedLeftovers> {
  const { finished, broken } = await finishClaims(repository, options);
  const named = await Promise.all(broken.map(({ key }) => setNamedIn(repository, key, options)));
  const unknown = named.includes(undefined);
  return { finished, mayBeClaimed: id => unknown || named.includes(id), broken: broken.map(({ message }) => message) };
}

/** Claims that name a set, whether or not they can be believed: of one whose manifest does not say which they are. */
export async function claimsNaming(repository: Repository, id: string, options: CallOptions): Promise<string[]> {
  const found: string[] = [];
  await eachConcurrently(repository.store.list(claimsPrefix, withSignal(options)), claimsAtOnce, async ({ key }) => {
    if ((await setNamedIn(repository, key, options)) === id) found.push(key);
  });
  return found.sort();
}

/** The id in a claim, if one can still be made out where it cannot be believed. */
export async function setNamedIn({ store }: Repository, key: string, options: CallOptions): Promise<string | undefined> {
  const bytes = await readBytes(store, key, maxManifestBytes, options);
  const id = /^\{"formatVersion":\d+,"id":"([^"]+)"/.exec(bytes?.toString('utf8', 0, 1_000) ?? '')?.[1];
  return id !== undefined && setIdPattern.test(id) ? id : undefined;
}

const clockPrefix = 'retention/clock-';

/** The time by the clock that dates the files: ours may be wrong, and would have a run's files look old while it writes them. */
export async function storeTime({ store }: Repository, runtime: Pick<Runtime, 'random'>, options: CallOptions): Promise<Date | undefined> {
  const key = `${clockPrefix}${Buffer.from(runtime.random(8)).toString('hex')}`;
  await store.put(key, Buffer.from('\n'), withSignal(options));
  const written = await store.head(key, withSignal(options));
  // Those of runs that were interrupted here go too.
  for await (const old of store.list(clockPrefix, withSignal(options))) await store.delete(old.key, withSignal(options));
  return written?.modified;
}
