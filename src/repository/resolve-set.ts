import type { ItemFailure } from '../domain/backup-set.ts';
import type { ClusterChoice } from '../domain/cluster-choice.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { NamespaceScope } from '../domain/namespace-scope.ts';
import type { Selection } from '../domain/selection.ts';
import { setTime } from '../domain/set-id.ts';
import { type CatalogOptions, readOrFailure, setFolders } from './catalog.ts';
import { mapAhead } from './concurrency.ts';
import { isSetId } from './layout.ts';
import { newestSet, type SetFacts } from './newest-set.ts';
import type { Repository } from './repository.ts';
import { momentBefore } from './set-time.ts';

const manifestsAhead = 8;
/** Sets that one message names. */
const mostNamed = 5;

export interface ResolveOptions extends CatalogOptions {
  readonly now: Date;
  /** What is to be brought back of it, default everything: `latest` is the newest set that holds it. */
  readonly wanted?: Selection | undefined;
  /** What the asker is restricted to. */
  readonly within?: NamespaceScope | undefined;
  /** Whose sets are meant, default anybody’s. */
  readonly cluster?: ClusterChoice | undefined;
  /** What is known of a set already, whose manifest then need not be read. */
  readonly known?: (id: string) => SetFacts | undefined;
  /** Told in words what a person should know: that a newer set exists but was not chosen, and why. */
  readonly onNotice?: (notice: string) => void;
}

/**
 * Which set is meant: an id, the beginning of exactly one id, `latest`, a day (`2026-11-20`: up to its end, UTC) or an RFC 3339 time.
 * `latest`, days and times mean the newest of those started by then, as `newestSet` says. BACKUP_NOT_FOUND, BACKUP_AMBIGUOUS.
 */
export async function resolveSet(repository: Repository, text: string, options: ResolveOptions): Promise<string> {
  if (isSetId(text)) {
    if (!(await isMeant(repository, text, options))) throw noSuchSet(repository, text, options);
    return text;
  }
  const before = momentBefore(text);
  return before === undefined ? byPrefix(repository, text, options) : newestBefore(repository, text, before, options);
}

/** Is it there, and of the cluster that is meant? Of one that cannot be read nobody knows whose it is. */
async function isMeant(repository: Repository, id: string, options: ResolveOptions): Promise<boolean> {
  const found = await readOrFailure(repository, id, options);
  if (found === undefined) return false;
  return options.cluster === undefined || !('manifest' in found) || options.cluster.includes(found.manifest.cluster);
}

function noSuchSet(repository: Repository, what: string, { cluster }: ResolveOptions): HoldfastError {
  const whose = cluster === undefined ? '' : ` of ${cluster.words}`;
  return new HoldfastError('BACKUP_NOT_FOUND', `${repository.store.url} holds no backup ${what}${whose}`);
}

async function newestBefore(repository: Repository, text: string, before: number, options: ResolveOptions): Promise<string> {
  const ids: string[] = [];
  for await (const id of setFolders(repository, options)) if ((setTime(id)?.getTime() ?? before) < before) ids.push(id);
  const read = async (id: string): Promise<SetFacts | ItemFailure | undefined> => {
    const known = options.known?.(id);
    if (known !== undefined) return known;
    const found = await readOrFailure(repository, id, options);
    return found !== undefined && 'manifest' in found ? found.manifest : found;
  };
  const newestFirst = mapAhead(ids.reverse(), manifestsAhead, async id => ({ id, found: await read(id) }));
  const { now, wanted, within, cluster, onNotice } = options;
  return newestSet(newestFirst, { url: repository.store.url, text, now, wanted, within, cluster, onNotice });
}

async function byPrefix(repository: Repository, text: string, options: ResolveOptions): Promise<string> {
  const matches: string[] = [];
  // Every id begins with the digits of a year.
  if (/^\d{4}[0-9A-Za-z-]*$/.test(text)) {
    for await (const id of setFolders(repository, options)) {
      if (id.startsWith(text) && (await isMeant(repository, id, options))) matches.push(id);
      if (matches.length > mostNamed) break;
    }
  }
  if (matches.length === 1) return matches[0]!;
  if (matches.length === 0) throw noSuchSet(repository, JSON.stringify(text), options);
  const named = matches.slice(0, mostNamed).join(', ');
  throw new HoldfastError('BACKUP_AMBIGUOUS', `${text} may be ${named}${matches.length > mostNamed ? ' or others' : ''}`);
}
