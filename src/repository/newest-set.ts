import type { ItemFailure, Manifest } from '../domain/backup-set.ts';
import { clockSlackMs } from '../domain/clock-slack.ts';
import { type ClusterChoice, ownCluster } from '../domain/cluster-choice.ts';
import { type ClusterIdentity, clusterName, isSameCluster } from '../domain/cluster-identity.ts';
import { HoldfastError } from '../domain/errors.ts';
import { type NamespaceScope, selectionCovers, selectionReaches } from '../domain/namespace-scope.ts';
import { everything, isClusterWide, type Selection, samePart } from '../domain/selection.ts';
import { setTime } from '../domain/set-id.ts';

/** Sets of another cluster as young as this beside the newest one may as well be meant. */
const rivalMs = 7 * 86_400_000;
/** Sets that one message names. */
const mostNamed = 5;

/** What the choice goes by. */
export type SetFacts = Pick<Manifest, 'id' | 'phase' | 'startedAt' | 'selection' | 'cluster' | 'objects'>;

/** A set’s folder with what is in it; undefined where no manifest is there (yet). */
export interface Found {
  readonly id: string;
  readonly found: SetFacts | ItemFailure | undefined;
}

export interface NewestOptions {
  /** Where is looked, for messages. */
  readonly url: string;
  /** As the user wrote it: `latest`, a day, a time. */
  readonly text: string;
  /** What is to be brought back of it, default everything. */
  readonly wanted?: Selection | undefined;
  /** What the asker is restricted to: sets that hold nothing of it are not there, and of others nothing is told. */
  readonly within?: NamespaceScope | undefined;
  /** Whose sets are meant; those of others are not there. */
  readonly cluster?: ClusterChoice | undefined;
  readonly now: Date;
  readonly onNotice?: ((notice: string) => void) | undefined;
}

interface PassedOver {
  readonly id: string;
  readonly why: string;
}

/**
 * The set that “the newest” means, of sets that come newest first: the newest Completed one that holds what is wanted, and the newest
 * PartiallyFailed one only where none is Completed. A set of some namespaces never stands for a whole cluster, unless there are no others than
 * sets of these; nor does one cluster’s set for another’s, where both may be meant: not the own one’s either (ADR 11). BACKUP_AMBIGUOUS names what
 * may be; BACKUP_NOT_FOUND.
 */
export async function newestSet(newestFirst: AsyncIterable<Found>, options: NewestOptions): Promise<string> {
  const wanted = wantedBy(options);
  const unreadable: PassedOver[] = [];
  const passedOver: PassedOver[] = [];
  const narrow = new Newest();
  const whole = new Newest();
  const others: ClusterIdentity[] = [];
  for await (const { id, found } of bySecond(newestFirst)) {
    if (whole.completed !== undefined && isOlderThanRivals(id, whole.completed.id)) break;
    if (found === undefined) continue;
    if ('code' in found) {
      unreadable.push({ id, why: found.message });
      continue;
    }
    if (options.within !== undefined && !selectionReaches(found.selection, options.within)) continue;
    if (options.cluster?.includes(found.cluster) === false) {
      if (!others.some(other => isSameCluster(other, found.cluster))) others.push(found.cluster);
      continue;
    }
    const fits = selectionCovers(found.selection, wanted);
    if (!fits) passedOver.push({ id, why: `it holds ${heldBy(found.selection)} only` });
    else if (found.phase !== 'Completed') passedOver.push({ id, why: 'it is PartiallyFailed' });
    (fits ? whole : narrow).add(found);
  }
  const from = whole.isEmpty ? narrow : whole;
  const chosen = from.choose();
  if (chosen === undefined) throw notFound(options, unreadable, others);
  const rivals = from.rivalsOf(chosen, whole.isEmpty);
  if (rivals.length > 0) throw ambiguous(options, [chosen, ...rivals]);
  if (whole.isEmpty) options.onNotice?.(`no backup holds ${heldBy(wanted)}; ${chosen.id} holds ${heldBy(chosen.selection)} only`);
  notify(options, chosen, [...unreadable, ...passedOver.filter(({ id }) => id !== chosen.id)]);
  return chosen.id;
}

function wantedBy({ wanted = everything, within }: NewestOptions): Selection {
  return wanted.includeNamespaces.length === 0 && within !== undefined ? { ...wanted, includeNamespaces: within } : wanted;
}

/** The newest sets of each cluster and selection, and of them all. */
class Newest {
  completed: SetFacts | undefined;
  #partial: SetFacts | undefined;
  readonly #each: SetFacts[] = [];

  get isEmpty(): boolean {
    return this.#each.length === 0;
  }

  add(set: SetFacts): void {
    if (set.phase === 'Completed') this.completed ??= set;
    else this.#partial ??= set;
    const known = this.#each.findIndex(one => isSameCluster(one.cluster, set.cluster) && samePart(one.selection, set.selection));
    if (known < 0) this.#each.push(set);
    else if (this.#each[known]!.phase !== 'Completed' && set.phase === 'Completed') this.#each[known] = set;
  }

  choose(): SetFacts | undefined {
    return this.completed ?? this.#partial;
  }

  /** Those that may as well be meant: of other clusters, and with `parts` of other parts of a cluster. */
  rivalsOf(chosen: SetFacts, parts: boolean): SetFacts[] {
    return this.#each.filter(one => {
      if (one === chosen) return false;
      if (!isSameCluster(one.cluster, chosen.cluster)) return !isOlderThanRivals(one.id, chosen.id);
      return parts && (chosen.phase !== 'Completed' || one.phase === 'Completed') && !samePart(one.selection, chosen.selection);
    });
  }
}

function isOlderThanRivals(id: string, newest: string): boolean {
  return (setTime(id)?.getTime() ?? 0) < (setTime(newest)?.getTime() ?? 0) - rivalMs;
}

function heldBy(selection: Selection): string {
  if (isClusterWide(selection)) return 'a whole cluster';
  const { includeNamespaces } = selection;
  if (includeNamespaces.length === 0) return 'some kinds or objects';
  const named = includeNamespaces.slice(0, mostNamed).join(', ');
  return `namespaces ${named}${includeNamespaces.length > mostNamed ? ', …' : ''}`;
}

function notFound(
  { url, text, within, cluster }: NewestOptions,
  unreadable: readonly PassedOver[],
  others: readonly ClusterIdentity[],
): HoldfastError {
  const when = text === 'latest' ? 'at all' : `started by ${text}`;
  const what =
    unreadable.length === 0 || within !== undefined
      ? when
      : `that can be read (${unreadable.map(set => `${set.id}: ${set.why}`).join('; ')})`;
  const whose = cluster === undefined ? '' : ` of ${cluster.words}`;
  const known =
    within === undefined && others.length > 0 ? `; it has some of ${others.slice(0, mostNamed).map(describeCluster).join('; ')}` : '';
  return new HoldfastError('BACKUP_NOT_FOUND', `${url} holds no backup${whose} ${what}${known}`);
}

/** What may be meant, each with what a person tells it by; to whom is restricted to namespaces no more than the ids that they may see. */
function ambiguous({ text, within }: NewestOptions, candidates: readonly SetFacts[]): HoldfastError {
  const clusters = candidates.filter((one, i) => candidates.findIndex(other => isSameCluster(other.cluster, one.cluster)) === i);
  // The newest of each cluster, where it is the cluster that is not known.
  const named = clusters.length > 1 ? clusters : candidates;
  const each = named.map(one => (within === undefined ? describeSet(one) : one.id));
  const list = each.slice(0, mostNamed).join('; ') + (each.length > mostNamed ? `; and ${each.length - mostNamed} more` : '');
  if (clusters.length === 1) {
    return new HoldfastError('BACKUP_AMBIGUOUS', `${text} may mean more than one backup: ${list}`, { hint: 'name one by its id' });
  }
  const choices =
    within === undefined ? clusters.slice(0, mostNamed).map(({ cluster }) => `--cluster ${cluster.uid || cluster.server}`) : [];
  const own = `--cluster ${ownCluster} (the one that is worked on, not one that was lost)`;
  return new HoldfastError('BACKUP_AMBIGUOUS', `${text} may mean the backup of more than one cluster: ${list}`, {
    hint: `say whose is meant, ${[...choices, own].join(' or ')}, or name one by its id`,
  });
}

function describeSet({ id, phase, startedAt, selection, objects, cluster }: SetFacts): string {
  const how = phase === 'Completed' ? '' : `, ${phase}`;
  return `${id} (${heldBy(selection)}, ${objects} objects, begun ${startedAt}${how}, of ${describeCluster(cluster)})`;
}

function describeCluster(cluster: ClusterIdentity): string {
  return cluster.uid === '' ? `the cluster ${clusterName(cluster)}` : `the cluster ${cluster.uid} at ${cluster.server}`;
}

function notify({ onNotice, now }: NewestOptions, { id, phase }: SetFacts, passedOver: readonly PassedOver[]): void {
  if (onNotice === undefined) return;
  const newer = passedOver.filter(set => set.id > id).toSorted((a, b) => (a.id < b.id ? 1 : -1));
  for (const set of newer.slice(0, mostNamed)) onNotice(`${set.id} is newer than ${id}, but was passed over: ${set.why}`);
  if (newer.length > mostNamed) onNotice(`${newer.length - mostNamed} more sets newer than ${id} were passed over`);
  if (phase !== 'Completed') onNotice(`no set is Completed; ${id} is PartiallyFailed, and its description names what it lacks`);
  if ((setTime(id)?.getTime() ?? 0) > now.getTime() + clockSlackMs)
    onNotice(`${id} is dated in the future: a clock was wrong, here or there`);
}

/** An id tells the second in which its set began; which of one second began last is in their manifests. */
async function* bySecond(newestFirst: AsyncIterable<Found>): AsyncGenerator<Found> {
  let second: Found[] = [];
  for await (const one of newestFirst) {
    const isSame = second[0] === undefined || setTime(second[0].id)?.getTime() === setTime(one.id)?.getTime();
    if (!isSame) {
      yield* second.toSorted(lastBegunFirst);
      second = [];
    }
    second.push(one);
  }
  yield* second.toSorted(lastBegunFirst);
}

function lastBegunFirst({ found: a }: Found, { found: b }: Found): number {
  const [beganA, beganB] = [a, b].map(one => (one !== undefined && 'startedAt' in one ? one.startedAt : ''));
  return beganA! < beganB! ? 1 : beganA! > beganB! ? -1 : 0;
}
