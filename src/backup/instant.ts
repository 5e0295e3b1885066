import pLimit from 'p-limit';
import type { ClusterApi, ItemBatch, ListOptions, ListResult } from '../cluster/cluster-api.ts';
import type { Consistency, ItemFailure } from '../domain/backup-set.ts';
import { asHoldfastError, isCode } from '../domain/errors.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ItemsKind } from './archive-protocol.ts';
import type { ReadPlan } from './read-plan.ts';
import { rollForward } from './roll-forward.ts';

/**
 * Above this many objects a kind is listed from the server's cache and rolled forward; at or below, an exact list at the set's revision is
 * quicker than the watch it saves, even where the server must ask etcd for it.
 */
const smallKind = 500;
const mostAttempts = 4;
const bigLists = 2;
const smallLists = 8;

export interface KindReading {
  readonly revision: string;
  readonly consistency: Consistency;
  /** The reading that counts. */
  readonly attempt: number;
  readonly error?: ItemFailure;
  /** The kind was deleted meanwhile: nothing of it is part of the set. */
  readonly vanished?: true;
}

export interface Reading {
  readonly consistency: Consistency;
  /** The instant; undefined where no kind has one. */
  readonly revision: string | undefined;
  /** In the order of the plan's kinds. */
  readonly kinds: readonly KindReading[];
  /** Milliseconds from the end of the last plain list to the end of the last kind: what the common revision cost. */
  readonly settleMs: number;
}

export interface ReadContext {
  readonly cluster: ClusterApi;
  readonly plan: ReadPlan;
  readonly labelSelector: string;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly add: (kind: number, attempt: number, items: ItemsKind, batch: ItemBatch) => Promise<void>;
}

interface KindState {
  readonly index: number;
  readonly kind: ResourceKind;
  attempt: number;
  /** Objects, as far as a first look could tell. */
  size: number;
  /** Revision per namespace read (`''` for all), once listed. */
  readonly listed: Map<string, string>;
  reading: KindReading | undefined;
}

const emptyBatch = (): ItemBatch => ({ buffer: new Uint8Array(0), ends: [] });

/**
 * Reads all kinds of a plan at one revision of etcd: large kinds are listed as the server streams them fastest, each at a revision of its own;
 * the highest of these becomes the set's; small kinds are read at exactly that revision, and meanwhile the large ones are rolled forward to it.
 * A kind that fails is an error in its reading, not an exception; what is thrown stops the backup (an abort, or the archive).
 */
export async function readInstant(context: ReadContext): Promise<Reading> {
  const { plan } = context;
  const states = plan.kinds.map((kind, index): KindState => ({ index, kind, attempt: 1, size: 0, listed: new Map(), reading: undefined }));
  const revisions = await sizeUp(context, states);

  const own = states.filter(state => state.reading === undefined && plan.ownRevision.has(state.kind));
  const rest = states.filter(state => state.reading === undefined && !plan.ownRevision.has(state.kind));
  const big = isFiltered(context)
    ? []
    : rest.filter(state => state.size > smallKind && state.kind.verbs.includes('watch')).sort((a, b) => b.size - a.size);
  const small = rest.filter(state => !big.includes(state));

  await each(bigLists, big, state => attempt(context, state, () => listPlain(context, state, { whole: state.attempt === 1 })));
  const listedAt = context.runtime.now().getTime();
  for (const state of big) for (const revision of state.listed.values()) revisions.push(revision);
  const revision = revisions.length === 0 ? undefined : revisions.reduce((a, b) => (BigInt(a) > BigInt(b) ? a : b));
  await Promise.all([
    each(big.length, big, state => (state.reading === undefined ? settle(context, state, revision!) : undefined)),
    each(smallLists, small, state => readExact(context, state, revision)),
    each(smallLists, own, state => readOwn(context, state)),
  ]);

  const readings = states.map(state => state.reading!);
  const common = readings.filter(reading => reading.error === undefined && reading.vanished === undefined && !isOwn(reading, revision));
  const strays = states.filter(
    state => !plan.ownRevision.has(state.kind) && state.reading?.consistency === 'per-kind' && !state.reading.vanished,
  );
  return {
    consistency: common.length > 0 && strays.every(state => state.reading?.error !== undefined) ? 'instant' : 'per-kind',
    revision,
    kinds: readings,
    settleMs: context.runtime.now().getTime() - listedAt,
  };
}

/** A watch of some namespaces or labels may never send the bookmark that rolling forward waits for, so filtered reads are exact ones. */
function isFiltered({ plan, labelSelector }: ReadContext): boolean {
  return plan.namespaces.length > 0 || labelSelector !== '';
}

function isOwn(reading: KindReading, revision: string | undefined): boolean {
  return reading.consistency === 'per-kind' || reading.revision !== revision;
}

/** One small question per kind: how many objects, and at which revision are we? */
async function sizeUp(context: ReadContext, states: readonly KindState[]): Promise<string[]> {
  const revisions: string[] = [];
  await each(smallLists, states, async state => {
    if (context.plan.ownRevision.has(state.kind)) return;
    await attempt(context, state, async () => {
      state.size = 0;
      for (const namespace of namespacesOf(context.plan, state.kind)) {
        const page = await context.cluster.list(state.kind, () => {}, { ...scope(context, namespace), limit: 1 });
        state.size += page.items + (page.remaining ?? 0);
        revisions.push(page.revision);
      }
    });
  });
  return revisions;
}

async function listPlain(context: ReadContext, state: KindState, options: ListOptions = {}): Promise<void> {
  state.listed.clear();
  for (const namespace of namespacesOf(context.plan, state.kind)) {
    const result: ListResult = await context.cluster.list(state.kind, batch => context.add(state.index, state.attempt, 'list', batch), {
      ...scope(context, namespace),
      ...options,
    });
    state.listed.set(namespace, result.revision);
  }
}

/** From the revision of its list to the set's; where the server has forgotten the way, the kind is read again at exactly that revision. */
async function settle(context: ReadContext, state: KindState, revision: string): Promise<void> {
  try {
    await rollForward(context.cluster, {
      kind: state.kind,
      from: lastRevision(state),
      to: revision,
      onChange: (items, batch) => context.add(state.index, state.attempt, items, batch),
      signal: context.signal,
    });
    state.reading = { revision, consistency: 'instant', attempt: state.attempt };
  } catch (thrown) {
    context.signal.throwIfAborted();
    if (!asHoldfastError(thrown).code.startsWith('CLUSTER_')) throw thrown;
    state.attempt++;
    await readExact(context, state, revision);
  }
}

async function readExact(context: ReadContext, state: KindState, revision: string | undefined): Promise<void> {
  if (revision === undefined) return readOwn(context, state);
  let exact = true;
  await attempt(context, state, async () => {
    try {
      await listPlain(context, state, { exactRevision: revision });
    } catch (thrown) {
      if (!isCode(thrown, 'CLUSTER_EXPIRED', 'CLUSTER_REJECTED')) throw thrown;
      exact = false;
      state.attempt++;
      await listPlain(context, state);
    }
  });
  state.reading ??= exact
    ? { revision, consistency: 'instant', attempt: state.attempt }
    : { revision: lastRevision(state), consistency: 'per-kind', attempt: state.attempt };
}

async function readOwn(context: ReadContext, state: KindState): Promise<void> {
  await attempt(context, state, () => listPlain(context, state));
  state.reading ??= { revision: lastRevision(state), consistency: 'per-kind', attempt: state.attempt };
}

function lastRevision(state: KindState): string {
  return [...state.listed.values()].at(-1) ?? '';
}

/** Runs one step of a kind, again after passing faults, each time as a new attempt that makes what came before void. */
async function attempt(context: ReadContext, state: KindState, step: () => Promise<void>): Promise<void> {
  for (let pause = 250; ; pause *= 4) {
    try {
      return await step();
    } catch (thrown) {
      context.signal.throwIfAborted();
      const error = asHoldfastError(thrown);
      if (!error.code.startsWith('CLUSTER_')) throw thrown;
      if (error.code === 'CLUSTER_NOT_FOUND') return voidKind(context, state);
      if (!error.retryable || state.attempt >= mostAttempts) {
        const message = `could not list ${kindName(state.kind)}: ${error.message}`;
        state.reading = { revision: '', consistency: 'per-kind', attempt: state.attempt, error: { code: error.code, message } };
        return;
      }
      state.attempt++;
      await context.runtime.sleep(pause, context.signal);
    }
  }
}

async function voidKind(context: ReadContext, state: KindState): Promise<void> {
  state.attempt++;
  await context.add(state.index, state.attempt, 'list', emptyBatch());
  state.reading = { revision: '', consistency: 'per-kind', attempt: state.attempt, vanished: true };
}

function namespacesOf(plan: ReadPlan, kind: ResourceKind): readonly string[] {
  return kind.namespaced && plan.namespaces.length > 0 ? plan.namespaces : [''];
}

function scope(context: ReadContext, namespace: string): ListOptions {
  return {
    ...(namespace === '' ? {} : { namespace }),
    ...(context.labelSelector === '' ? {} : { labelSelector: context.labelSelector }),
    signal: context.signal,
  };
}

async function each<T>(concurrency: number, items: readonly T[], work: (item: T) => Promise<void> | undefined): Promise<void> {
  if (items.length === 0) return;
  await pLimit(concurrency).map(items, item => work(item));
}
