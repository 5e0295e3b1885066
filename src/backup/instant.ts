import type { Consistency } from '../domain/backup-set.ts';
import { asHoldfastError } from '../domain/errors.ts';
import type { ResourceKind } from '../domain/resource.ts';
import {
  attempt,
  each,
  type KindReading,
  type KindState,
  lastRevision,
  listPlain,
  namespacesOf,
  type ReadContext,
  readExact,
  readOwn,
  scope,
} from './read-kind.ts';
import { changesUpTo, type LateChange, rollForward } from './roll-forward.ts';

/**
 * Above this many objects a kind is listed from the server's cache and rolled forward; at or below, an exact list at the set's revision is
 * quicker than the watch it saves, even where the server must ask etcd for it.
 */
const smallKind = 500;
/**
 * The set’s revision is known when the last of these lists has begun, and what can be done at it is done while they arrive. So the largest begin
 * last; with more at a time the last begins earlier, but chunks get smaller and cost more.
 */
const bigLists = 4;
const smallLists = 8;

export interface Reading {
  readonly consistency: Consistency;
  /** The instant; undefined where no kind has one. */
  readonly revision: string | undefined;
  /** In the order of the plan's kinds. */
  readonly kinds: readonly KindReading[];
  /** Milliseconds from the end of the last plain list to the end of the last kind: what the common revision cost. */
  readonly settleMs: number;
}

/** The kinds of a plan, by the way they are read. */
interface Groups {
  /** Listed from the server’s cache, then rolled forward to the set’s revision. */
  readonly big: readonly KindState[];
  /** Listed at exactly that revision. */
  readonly small: readonly KindState[];
  /** Of APIs that have revisions of their own. */
  readonly own: readonly KindState[];
}

/**
 * Reads all kinds of a plan at one revision of etcd: large kinds are listed as the server streams them fastest, each at a revision of its own.
 * Where the cluster is when the last of these lists has begun becomes the set’s revision: while they arrive, small kinds are read at exactly
 * that, and the changes of the large ones up to it are watched for.
 * A kind that fails is an error in its reading, not an exception; what is thrown stops the backup (an abort, or the archive).
 */
export async function readInstant(context: ReadContext): Promise<Reading> {
  const { plan, runtime } = context;
  const states = plan.kinds.map(
    (kind, index): KindState => ({
      ...{ index, kind, attempt: 1, size: 0, sizedAt: '', listed: new Map(), reading: undefined },
      ownRevision: plan.ownRevision.has(kind),
    }),
  );
  const before = await revisionOfCluster(context);
  await sizeUp(context, states);
  const after = before === undefined ? undefined : await revisionOfCluster(context);
  if (before !== undefined && after !== undefined) findOwnRevisions(states, before, after);
  const groups = groupsOf(context, states);
  const { big, small } = groups;
  const watching = new AbortController();
  try {
    const begun = countdown(big.length);
    const [listedAt, ahead] = await Promise.all([
      each(bigLists, big, state => readBig(context, state, begun.count)).then(() => runtime.now().getTime()),
      begun.done.then(() => readAhead(context, groups, AbortSignal.any([context.signal, watching.signal]))),
    ]);
    const sized = states.filter(state => !state.ownRevision).map(state => state.sizedAt);
    const revision = highest([ahead.revision, ...sized, ...big.map(lastRevision)]);
    const held = revision === ahead.revision;
    await Promise.all([
      each(big.length, big, state => settle(context, state, revision!, held ? ahead.changes.get(state) : undefined)),
      held ? undefined : each(smallLists, small, state => readAgain(context, state, revision)),
    ]);
    return summarize(states, revision, runtime.now().getTime() - listedAt);
  } finally {
    watching.abort();
  }
}

function summarize(states: readonly KindState[], revision: string | undefined, settleMs: number): Reading {
  const readings = states.map(state => state.reading!);
  const common = readings.filter(reading => reading.error === undefined && reading.vanished === undefined && !isOwn(reading, revision));
  const strays = states.filter(state => !state.ownRevision && state.reading?.consistency === 'per-kind' && !state.reading.vanished);
  return {
    consistency: common.length > 0 && strays.every(state => state.reading?.error !== undefined) ? 'instant' : 'per-kind',
    revision,
    kinds: readings,
    settleMs,
  };
}

function groupsOf(context: ReadContext, states: readonly KindState[]): Groups {
  const readable = states.filter(state => state.reading === undefined);
  const own = readable.filter(state => state.ownRevision);
  const rest = readable.filter(state => !state.ownRevision);
  const big = isFiltered(context)
    ? []
    : rest.filter(state => state.size > smallKind && state.kind.verbs.includes('watch')).sort((a, b) => a.size - b.size);
  return { big, small: rest.filter(state => !big.includes(state)), own };
}

/** A watch of some namespaces or labels may never send the bookmark that rolling forward waits for, so filtered reads are exact ones. */
function isFiltered({ plan, labelSelector }: ReadContext): boolean {
  return plan.namespaces.length > 0 || labelSelector !== '';
}

function isOwn(reading: KindReading, revision: string | undefined): boolean {
  return reading.consistency === 'per-kind' || reading.revision !== revision;
}

function highest(revisions: readonly (string | undefined)[]): string | undefined {
  const known = revisions.filter(revision => revision !== undefined && revision !== '') as string[];
  return known.length === 0 ? undefined : known.reduce((a, b) => (BigInt(a) > BigInt(b) ? a : b));
}

/** Kinds of every cluster, of which an account may list one at least: the first that answers says where the cluster's etcd is. */
const everywhere = ['namespaces', 'configmaps', 'secrets', 'serviceaccounts'];

/** The revision that the cluster's etcd has now; undefined where this account cannot find out. */
async function revisionOfCluster(context: ReadContext): Promise<string | undefined> {
  for (const resource of everywhere) {
    const namespaced = resource !== 'namespaces';
    const kind: ResourceKind = { group: '', version: 'v1', resource, kind: '', namespaced, verbs: ['list'], subresources: [] };
    const revision = await currentRevision(context, kind, namespacesOf(context.plan, kind)[0]);
    if (revision !== undefined && revision !== '') return revision;
  }
  return undefined;
}

/**
 * What a kind answered between two looks at the cluster's etcd is between their revisions, or comes from elsewhere: from an etcd of its own
 * (`--etcd-servers-overrides`), or an extension server that this account may not know of.
 */
function findOwnRevisions(states: readonly KindState[], before: string, after: string): void {
  for (const state of states) {
    if (state.reading !== undefined || state.ownRevision) continue;
    const { sizedAt } = state;
    state.ownRevision = !/^\d+$/.test(sizedAt) || BigInt(sizedAt) < BigInt(before) || BigInt(sizedAt) > BigInt(after);
  }
}

/** One small question per kind: how many objects, and at which revision are we? */
async function sizeUp(context: ReadContext, states: readonly KindState[]): Promise<void> {
  await each(smallLists, states, async state => {
    if (state.ownRevision) return;
    await attempt(context, state, async () => {
      state.size = 0;
      for (const namespace of namespacesOf(context.plan, state.kind)) {
        const page = await context.cluster.list(state.kind, () => {}, { ...scope(context, namespace), limit: 1 });
        state.size += page.items + (page.remaining ?? 0);
        state.sizedAt = page.revision;
      }
    });
  });
}

/** `done` resolves when `count` was called as often as was said. */
function countdown(times: number): { readonly done: Promise<void>; count(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = times;
  if (left === 0) resolve();
  return {
    done: promise,
    count: () => {
      if (--left === 0) resolve();
    },
  };
}

/** Lists a large kind; `begun` is called once, when its first objects are here or it has none to give: its revision is in the past then. */
async function readBig(context: ReadContext, state: KindState, begun: () => void): Promise<void> {
  let told = false;
  const tell = (): void => {
    if (!told) begun();
    told = true;
  };
  const toldAdd: ReadContext['add'] = (...batch) => {
    tell();
    return context.add(...batch);
  };
  const telling = { ...context, add: toldAdd };
  await attempt(telling, state, () => listPlain(telling, state, { whole: state.attempt === 1 })).finally(tell);
}

/** What was done at a revision that was in the future of no list when it was asked for. */
interface Ahead {
  /** Undefined when nothing was done yet. */
  readonly revision: string | undefined;
  /** Of large kinds, from before their list began up to `revision`. */
  readonly changes: ReadonlyMap<KindState, Promise<readonly LateChange[] | undefined>>;
}

async function readAhead(context: ReadContext, { big, small, own }: Groups, watching: AbortSignal): Promise<Ahead> {
  const revision = big.length === 0 ? highest(small.map(state => state.sizedAt)) : await currentRevision(context, big[0]!.kind);
  const known = big.length === 0 || revision !== undefined;
  const changes = new Map(
    (revision === undefined ? [] : big).map(state => [
      state,
      changesUpTo(context.cluster, { kind: state.kind, from: state.sizedAt, to: revision!, signal: watching }),
    ]),
  );
  await Promise.all([
    known ? each(smallLists, small, state => readExact(context, state, revision)) : undefined,
    each(smallLists, own, state => readOwn(context, state)),
  ]);
  return { revision, changes };
}

/** Where the cluster is now: at or after every list that has begun. Undefined when it does not say. */
async function currentRevision({ cluster, signal }: ReadContext, kind: ResourceKind, namespace = ''): Promise<string | undefined> {
  try {
    return (await cluster.list(kind, () => {}, { limit: 1, signal, ...(namespace !== '' && { namespace }) })).revision;
  } catch (thrown) {
    signal.throwIfAborted();
    if (asHoldfastError(thrown).code.startsWith('CLUSTER_')) return undefined;
    throw thrown;
  }
}

/** A list had to begin anew after the others, so that the set’s revision is a later one than this small kind was read at, if it was. */
async function readAgain(context: ReadContext, state: KindState, revision: string | undefined): Promise<void> {
  if (state.reading?.consistency === 'per-kind') return;
  if (state.reading !== undefined) state.attempt++;
  state.reading = undefined;
  await readExact(context, state, revision);
}

/**
 * From the revision of its list to the set's, by the changes that were watched for meanwhile or else by watching now; where the server has
 * forgotten the way, the kind is read again at exactly that revision.
 */
async function settle(
  context: ReadContext,
  state: KindState,
  revision: string,
  watched: Promise<readonly LateChange[] | undefined> | undefined,
): Promise<void> {
  if (state.reading !== undefined) return;
  const { kind } = state;
  const from = lastRevision(state);
  const onChange = ({ items, batch }: LateChange): Promise<void> => context.add(state.index, state.attempt, items, batch);
  try {
    const seen = BigInt(from) < BigInt(revision) ? await watched : [];
    if (seen === undefined) await rollForward(context.cluster, { kind, from, to: revision, onChange, signal: context.signal });
    else for (const change of seen) if (BigInt(change.revision) > BigInt(from)) await onChange(change);
    state.reading = { revision, consistency: 'instant', attempt: state.attempt };
  } catch (thrown) {
    context.signal.throwIfAborted();
    if (!asHoldfastError(thrown).code.startsWith('CLUSTER_')) throw thrown;
    state.attempt++;
    await readExact(context, state, revision);
  }
}
