import type { ItemFailure, Manifest } from '../domain/backup-set.ts';
import type { Fire, Part } from '../domain/policy.ts';
import { setTime } from '../domain/set-id.ts';
import { mapAhead } from './concurrency.ts';
import { isDamage } from './damage.ts';
import { isSetId, manifestName, setsPrefix } from './layout.ts';
import type { SignedManifest } from './manifest.ts';
import { type CallOptions, withSignal } from './read-bytes.ts';
import { readManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';

const manifestsAhead = 8;

interface SetBasics {
  readonly id: string;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
}

/** A set as lists show it. */
export interface ReadableSet extends SetBasics {
  readonly phase: Manifest['phase'];
  readonly tier: string;
  /** The scheduled runs that it is the result of. */
  readonly fires: readonly Fire[];
  /** Parts that it was to have; absent where nothing but resources was asked for. */
  readonly asked?: readonly Part[];
  /** Those of them that it has not. */
  readonly notProtected: readonly Part[];
  readonly finishedAt: string;
  readonly objects: number;
  /** Bytes of JSON. */
  readonly bytes: number;
  /** Bytes that its files take in the location. */
  readonly storedBytes: number;
  readonly problems: number;
  readonly consistency: Manifest['consistency'];
  readonly revision?: string;
  readonly cluster: Manifest['cluster'];
  /** What was asked for. */
  readonly selection: Manifest['selection'];
}

/** A set whose manifest was altered, or was written by another version. */
export interface UnreadableSet extends SetBasics {
  readonly phase: 'Unreadable';
  readonly error: ItemFailure;
}

export type SetSummary = ReadableSet | UnreadableSet;

export interface CatalogOptions extends CallOptions {
  /** Public keys (PEM) of which one must have signed; the repository's own unless given. */
  readonly trusted?: readonly string[] | undefined;
}

/**
 * Ids below `backups/`, oldest first: of sets, and of what is being written or was left half-written; with `mayBeEmpty` of empty folders too.
 * `startAfter` is an id, or what ids begin with.
 */
export async function* setFolders(
  repository: Repository,
  options: CallOptions & { readonly mayBeEmpty?: boolean; readonly startAfter?: string } = {},
): AsyncGenerator<string> {
  const { mayBeEmpty = false, startAfter } = options;
  const listing = { ...withSignal(options), mayBeEmpty, ...(startAfter !== undefined && { startAfter }) };
  for await (const name of repository.store.listNames(setsPrefix, listing)) {
    const id = name.endsWith('/') ? name.slice(0, -1) : '';
    if (isSetId(id)) yield id;
  }
}

/**
 * Ids of the sets whose manifest is there, oldest first, by one listing of all their files: a thousand of these cost a store as much as to be
 * asked for a few manifests.
 */
export async function* setsWithManifest(repository: Repository, options: CallOptions = {}): AsyncGenerator<string> {
  for await (const { key } of repository.store.list(setsPrefix, withSignal(options))) {
    if (!key.endsWith(`/${manifestName}`)) continue;
    const id = key.slice(setsPrefix.length, -manifestName.length - 1);
    if (isSetId(id)) yield id;
  }
}

/** Every set of the repository, oldest first. A damaged one is listed as `Unreadable` and hides no other. */
export async function* listSets(repository: Repository, options: CatalogOptions = {}): AsyncGenerator<SetSummary> {
  const summaries = mapAhead(setFolders(repository, options), manifestsAhead, id => summarize(repository, id, options));
  for await (const summary of summaries) if (summary !== undefined) yield summary;
}

/** What lists show of one set; undefined where there is no manifest (yet). */
export async function summarize(repository: Repository, id: string, options: CatalogOptions): Promise<SetSummary | undefined> {
  return (await readSummary(repository, id, options))?.summary;
}

/** Like `summarize`, with the id of the key that signed the manifest. */
export async function readSummary(
  repository: Repository,
  id: string,
  options: CatalogOptions,
): Promise<{ readonly summary: ReadableSet; readonly keyId: string } | { readonly summary: UnreadableSet } | undefined> {
  const found = await readOrFailure(repository, id, options);
  if (found === undefined) return undefined;
  if ('code' in found) return { summary: { id, startedAt: setTime(id)?.toISOString() ?? '', phase: 'Unreadable', error: found } };
  const { manifest, signature } = found;
  return { summary: readableSet(manifest), keyId: signature.keyId };
}

function readableSet(manifest: Manifest): ReadableSet {
  return {
    id: manifest.id,
    startedAt: manifest.startedAt,
    phase: manifest.phase,
    tier: manifest.tier,
    fires: manifest.fires ?? [],
    ...(manifest.parts !== undefined && { asked: manifest.parts.map(({ part }) => part) }),
    notProtected: (manifest.parts ?? []).flatMap(({ part, state }) => (state === 'not-protected' ? [part] : [])),
    finishedAt: manifest.finishedAt,
    objects: manifest.objects,
    bytes: manifest.bytes,
    storedBytes: [...manifest.shards, ...manifest.index].reduce((sum, file) => sum + file.bytes, 0),
    problems: manifest.problems.length,
    consistency: manifest.consistency,
    ...(manifest.revision !== undefined && { revision: manifest.revision }),
    cluster: manifest.cluster,
    selection: manifest.selection,
  };
}

/** What is wrong with a set is data; what is wrong with the store is thrown. */
export async function readOrFailure(
  repository: Repository,
  id: string,
  options: CatalogOptions,
): Promise<SignedManifest | ItemFailure | undefined> {
  try {
    return await readManifest(repository, id, options);
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    return { code: thrown.code, message: thrown.message };
  }
}
