import type { ItemFailure, Manifest } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Fire, Part } from '../domain/policy.ts';
import { setTime } from '../domain/set-id.ts';
import { mapAhead } from './concurrency.ts';
import { isDamage } from './damage.ts';
import { isSetId, manifestName, setsPrefix } from './layout.ts';
import { type CallOptions, withSignal } from './read-bytes.ts';
import { readManifest, type SignedManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { momentBefore } from './set-time.ts';

const manifestsAhead = 8;
/** When looking for the newest: mostly the first will do. */
const resolveAhead = 2;
/** Clocks of two machines may differ by this much. */
const clockSlackMs = 10 * 60_000;
/** Sets that one message names. */
const mostNamed = 5;

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
async function readOrFailure(
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

export interface ResolveOptions extends CatalogOptions {
  readonly now: Date;
  /** Told in words what a person should know: that a newer set exists but was not chosen, and why. */
  readonly onNotice?: (notice: string) => void;
}

/**
 * Which set is meant: an id, the beginning of exactly one id, `latest`, a day (`2026-11-20`: up to its end, UTC) or an RFC 3339 time.
 * `latest`, days and times mean the newest Completed set that was started by then, and the newest PartiallyFailed one only where none is
 * Completed; `onNotice` is told of any newer set that was passed over. BACKUP_NOT_FOUND, BACKUP_AMBIGUOUS.
 */
export async function resolveSet(repository: Repository, text: string, options: ResolveOptions): Promise<string> {
  if (isSetId(text)) {
    if ((await readOrFailure(repository, text, options)) === undefined) throw noSuchSet(repository, text);
    return text;
  }
  const before = momentBefore(text);
  return before === undefined ? byPrefix(repository, text, options) : newestBefore(repository, text, before, options);
}

function noSuchSet(repository: Repository, what: string): HoldfastError {
  return new HoldfastError('BACKUP_NOT_FOUND', `${repository.store.url} holds no backup ${what}`);
}

interface Choice {
  completed?: string;
  partial?: string;
  /** Newest first. */
  readonly passedOver: { readonly id: string; readonly why: string }[];
}

async function newestBefore(repository: Repository, text: string, before: number, options: ResolveOptions): Promise<string> {
  const ids: string[] = [];
  for await (const id of setFolders(repository, options)) if ((setTime(id)?.getTime() ?? before) < before) ids.push(id);
  const choice: Choice = { passedOver: [] };
  const newestFirst = mapAhead(ids.reverse(), resolveAhead, async id => ({
    id,
    found: await readOrFailure(repository, id, options),
  }));
  for await (const second of bySecond(newestFirst)) {
    for (const { id, found } of second) if (found !== undefined) consider(choice, id, found);
    if (choice.completed !== undefined) break;
  }
  const id = choice.completed ?? choice.partial;
  if (id === undefined) throw noSuchSet(repository, nothingFor(text, choice));
  notify(options, id, choice);
  return id;
}

interface Found {
  readonly id: string;
  readonly found: SignedManifest | ItemFailure | undefined;
}

/** An id tells the second in which its set began; which of one second began last is in their manifests. */
async function* bySecond(newestFirst: AsyncIterable<Found>): AsyncGenerator<Found[]> {
  let second: Found[] = [];
  for await (const one of newestFirst) {
    const isSame = second[0] === undefined || setTime(second[0].id)?.getTime() === setTime(one.id)?.getTime();
    if (!isSame) {
      yield second.toSorted(lastBegunFirst);
      second = [];
    }
    second.push(one);
  }
  yield second.toSorted(lastBegunFirst);
}

function lastBegunFirst({ found: a }: Found, { found: b }: Found): number {
  const [beganA, beganB] = [a, b].map(one => (one !== undefined && 'manifest' in one ? one.manifest.startedAt : ''));
  return beganA! < beganB! ? 1 : beganA! > beganB! ? -1 : 0;
}

function consider(choice: Choice, id: string, found: SignedManifest | ItemFailure): void {
  if (choice.completed !== undefined) return;
  if ('code' in found) choice.passedOver.push({ id, why: found.message });
  else if (found.manifest.phase === 'Completed') choice.completed = id;
  else {
    choice.partial ??= id;
    choice.passedOver.push({ id, why: 'it is PartiallyFailed' });
  }
}

function nothingFor(text: string, { passedOver }: Choice): string {
  const when = text === 'latest' ? 'at all' : `started by ${text}`;
  return passedOver.length === 0 ? when : `that can be read (${passedOver.map(set => `${set.id}: ${set.why}`).join('; ')})`;
}

function notify({ onNotice, now }: ResolveOptions, id: string, choice: Choice): void {
  if (onNotice === undefined) return;
  const newer = choice.passedOver.filter(set => set.id > id);
  for (const set of newer.slice(0, mostNamed)) onNotice(`${set.id} is newer than ${id}, but was passed over: ${set.why}`);
  if (newer.length > mostNamed) onNotice(`${newer.length - mostNamed} more sets newer than ${id} were passed over`);
  if (choice.completed === undefined) onNotice(`no set is Completed; ${id} is PartiallyFailed, and its description names what it lacks`);
  if ((setTime(id)?.getTime() ?? 0) > now.getTime() + clockSlackMs)
    onNotice(`${id} is dated in the future: a clock was wrong, here or there`);
}

async function byPrefix(repository: Repository, text: string, options: ResolveOptions): Promise<string> {
  const matches: string[] = [];
  // Every id begins with the digits of a year.
  if (/^\d{4}[0-9A-Za-z-]*$/.test(text)) {
    for await (const id of setFolders(repository, options)) {
      if (id.startsWith(text) && (await readOrFailure(repository, id, options)) !== undefined) matches.push(id);
      if (matches.length > mostNamed) break;
    }
  }
  if (matches.length === 1) return matches[0]!;
  if (matches.length === 0) throw noSuchSet(repository, JSON.stringify(text));
  const named = matches.slice(0, mostNamed).join(', ');
  throw new HoldfastError('BACKUP_AMBIGUOUS', `${text} may be ${named}${matches.length > mostNamed ? ' or others' : ''}`);
}
