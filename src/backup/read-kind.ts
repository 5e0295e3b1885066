import pLimit from 'p-limit';
import type { BatchMemory, ClusterApi, ItemBatch, ListOptions, ListResult } from '../cluster/cluster-api.ts';
import type { Consistency, ItemFailure } from '../domain/backup-set.ts';
import { asHoldfastError, isCode } from '../domain/errors.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ItemsKind } from './archive-protocol.ts';
import type { ReadPlan } from './read-plan.ts';

const mostAttempts = 4;

export interface KindReading {
  readonly revision: string;
  readonly consistency: Consistency;
  /** The reading that counts. */
  readonly attempt: number;
  readonly error?: ItemFailure;
  /** The kind was deleted meanwhile: nothing of it is part of the set. */
  readonly vanished?: true;
}

export interface ReadContext {
  readonly cluster: ClusterApi;
  readonly plan: ReadPlan;
  readonly labelSelector: string;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly memory: BatchMemory;
  readonly add: (kind: number, attempt: number, items: ItemsKind, batch: ItemBatch) => Promise<void>;
}

export interface KindState {
  readonly index: number;
  readonly kind: ResourceKind;
  attempt: number;
  /** Objects, as far as a first look could tell. */
  size: number;
  /** Revision of that look; empty before. */
  sizedAt: string;
  /** Its API counts revisions by itself. */
  ownRevision: boolean;
  /** Revision per namespace read (`''` for all), once listed. */
  readonly listed: Map<string, string>;
  reading: KindReading | undefined;
}

const emptyBatch = (): ItemBatch => ({ buffer: new Uint8Array(0), ends: [] });

/** The whole kind as the server has it now, or as the options say; `state.listed` tells at which revision. */
export async function listPlain(context: ReadContext, state: KindState, options: ListOptions = {}): Promise<void> {
  state.listed.clear();
  for (const namespace of namespacesOf(context.plan, state.kind)) {
    const result: ListResult = await context.cluster.list(state.kind, batch => context.add(state.index, state.attempt, 'list', batch), {
      ...scope(context, namespace),
      memory: context.memory,
      ...options,
    });
    state.listed.set(namespace, result.revision);
  }
}

export async function readExact(context: ReadContext, state: KindState, revision: string | undefined): Promise<void> {
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

export async function readOwn(context: ReadContext, state: KindState): Promise<void> {
  await attempt(context, state, () => listPlain(context, state));
  state.reading ??= { revision: lastRevision(state), consistency: 'per-kind', attempt: state.attempt };
}

export function lastRevision(state: KindState): string {
  return [...state.listed.values()].at(-1) ?? '';
}

/** Runs one step of a kind, again after passing faults, each time as a new attempt that makes what came before void. */
export async function attempt(context: ReadContext, state: KindState, step: () => Promise<void>): Promise<void> {
  for (let pause = 250; ; pause *= 4) {
    try {
      return await step();
    } catch (thrown) {
      context.signal.throwIfAborted();
      const error = asHoldfastError(thrown);
      if (!error.code.startsWith('CLUSTER_')) throw thrown;
      const notFound = error.code === 'CLUSTER_NOT_FOUND';
      if (notFound && (await isGone(context, state.kind))) return voidKind(context, state);
      if (!(error.retryable || notFound) || state.attempt >= mostAttempts) {
        const served = notFound ? ', though the API server says that it serves it' : '';
        const message = `could not list ${kindName(state.kind)}: ${error.message}${served}`;
        state.reading = { revision: '', consistency: 'per-kind', attempt: state.attempt, error: { code: error.code, message } };
        return;
      }
      state.attempt++;
      await context.runtime.sleep(pause, context.signal);
    }
  }
}

/** A proxy or a server that is just starting answers 404 too: a kind is gone when discovery says so, and never for want of an answer. */
async function isGone({ cluster, signal }: ReadContext, kind: ResourceKind): Promise<boolean> {
  try {
    const { servedVersions, unavailable } = await cluster.discover({ signal });
    const group = kind.group === '' ? '' : `${kind.group}/`;
    const silent = unavailable.some(({ groupVersion }) => groupVersion === `${group}${kind.version}`);
    return !silent && !(servedVersions.get(`${kind.group}/${kind.resource}`) ?? []).includes(kind.version);
  } catch (thrown) {
    signal.throwIfAborted();
    if (asHoldfastError(thrown).code.startsWith('CLUSTER_')) return false;
    throw thrown;
  }
}

async function voidKind(context: ReadContext, state: KindState): Promise<void> {
  state.attempt++;
  await context.add(state.index, state.attempt, 'list', emptyBatch());
  state.reading = { revision: '', consistency: 'per-kind', attempt: state.attempt, vanished: true };
}

export function namespacesOf(plan: ReadPlan, kind: ResourceKind): readonly string[] {
  return kind.namespaced && plan.namespaces.length > 0 ? plan.namespaces : [''];
}

export function scope(context: ReadContext, namespace: string): ListOptions {
  return {
    ...(namespace === '' ? {} : { namespace }),
    ...(context.labelSelector === '' ? {} : { labelSelector: context.labelSelector }),
    signal: context.signal,
  };
}

export async function each<T>(concurrency: number, items: readonly T[], work: (item: T) => Promise<void> | undefined): Promise<void> {
  if (items.length === 0) return;
  await pLimit(concurrency).map(items, item => work(item));
}
