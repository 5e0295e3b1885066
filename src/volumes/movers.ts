import type { Lease } from '../cluster/lease.ts';
import type { PodApi } from '../cluster/pod-api.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { MoverOutcome } from '../domain/mover.ts';
import type { RepositoryAccess } from '../domain/repository-access.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { VolumeSettings } from '../domain/volume-settings.ts';
import { cleanUp } from './clean-up.ts';
import { holdLease } from './held-lease.ts';
import { leases, nodes } from './kinds.ts';
import { shortDigest } from './labels.ts';
import { moverJob, moverSecret } from './mover-job.ts';
import { takesMovers } from './mover-nodes.ts';
import { endLeftovers, removeMover, startMover } from './mover-objects.ts';
import type { MoverSuccess } from './mover-pod.ts';
import { type MoverEnd, watchMover } from './mover-watch.ts';
import type { Objects } from './objects.ts';
import type { AccessIssuer, MoverObserver, Movers, MoverTask } from './ports.ts';
import { createSlots, type Slot } from './slots.ts';

export interface MoversOptions {
  readonly objects: Objects;
  readonly pods: PodApi;
  /** Whose movers they are. */
  readonly installation?: string;
  readonly access: AccessIssuer;
  /** Has the repository of that key been made? Unless somebody can tell, what a killed mover has left of an unfinished one may be removed. */
  readonly isMade?: (key: string, signal: AbortSignal) => Promise<boolean>;
  /** A Lease of the service's namespace. */
  readonly lease: (name: string) => Lease;
  readonly settings: Pick<VolumeSettings, 'namespace' | 'mover' | 'parallel' | 'parallelPerNode'>;
  /** For settings that name no image. */
  readonly ownImage?: (signal: AbortSignal) => Promise<string>;
  readonly runtime: Runtime;
  readonly monotonic: () => number;
  /** Of what could not be removed, and is left to the cluster or to the next run. */
  readonly onWarning: (text: string) => void;
  readonly observer?: MoverObserver;
  /** How long a pod may take to begin: to be placed, to have its image and its volume. Five minutes unless told. */
  readonly startMs?: number;
  /** How long to wait for a repository in which somebody else works. A quarter of an hour unless told; a restore waits for as long as a mover may work. */
  readonly lockMs?: number;
}

const defaultStartMs = 300_000;
const defaultLockMs = 900_000;

const noAccess: RepositoryAccess = { url: '', options: [], accessKeyId: '', secretAccessKey: '' };

interface Context extends MoversOptions {
  /** Tells the movers of this process from those that another has left. */
  readonly process: string;
  readonly startMs: number;
  readonly lockMs: number;
}

type RunOptions = Parameters<Movers['run']>[1];

export function createMovers(options: MoversOptions): Movers {
  const { startMs = defaultStartMs, lockMs = defaultLockMs } = options;
  const context: Context = { ...options, startMs, lockMs, process: Buffer.from(options.runtime.random(4)).toString('hex') };
  const slots = createSlots(options.settings);
  return {
    // Who waits for a repository takes nobody’s place.
    run: (task, run) =>
      guarded(context, task, run, async signal => {
        const slot = await slots.take({ node: task.node, nodes: await countNodes(context, signal) }, signal);
        try {
          return await attempts(context, task, { ...run, signal }, slot);
        } finally {
          slot.release();
        }
      }),
  };
}

/** Nodes that take movers; an account that may not look at nodes has movers spread by the scheduler alone. */
async function countNodes({ objects, settings }: Context, signal: AbortSignal): Promise<number> {
  try {
    const all = await objects.list(nodes, {}, signal);
    return all.filter(node => takesMovers(node, settings.mover.nodeSelector)).length;
  } catch {
    signal.throwIfAborted();
    return Number.POSITIVE_INFINITY;
  }
}

/** Alone in the repository: by its lease, and after what an earlier life left there was ended. */
async function guarded<T>(
  context: Context,
  task: MoverTask,
  { signal, progress }: RunOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { repository } = task;
  if (repository === undefined) return work(signal);
  const name = `holdfast-volume-${shortDigest(repository.key)}`;
  const { runtime, monotonic } = context;
  // Whoever restores would rather wait for a first backup that takes hours than begin again.
  const waitMs =
    task.role === 'restore' && task.waitsLong !== false ? Math.max(context.lockMs, context.settings.mover.timeoutMs) : context.lockMs;
  const onWait = (holder: string) => progress({ phase: 'move', detail: `waiting for ${holder}, which works in the repository` });
  const hold = await holdLease({
    ...{ runtime, monotonic, signal, waitMs, onWait, lease: context.lease(name) },
    identity: `${task.work}/${Buffer.from(runtime.random(4)).toString('hex')}`,
  });
  try {
    const either = AbortSignal.any([signal, hold.signal]);
    await endLeftovers(context.objects, repository.key, {
      patient: task.role !== 'upkeep',
      installation: context.installation,
      signal: either,
    });
    return await work(either);
  } catch (thrown) {
    signal.throwIfAborted();
    hold.signal.throwIfAborted();
    throw thrown;
  } finally {
    if (await hold.stop())
      await cleanUp(context, `lease ${name}`, bound => context.objects.remove(leases, context.settings.namespace, name, bound));
  }
}

/** Twice where the first failed for the node's sake, but for upkeep, which comes again by itself. */
async function attempts(context: Context, task: MoverTask, run: RunOptions, slot: Slot): Promise<MoverSuccess> {
  const first = await attempt(context, task, run, slot, []);
  if (first.state === 'ended') return first.result;
  // Of a mover that was lost nobody knows whether it has ended, and no two may prune.
  if (!first.elsewhere || task.role === 'upkeep') throw first.error;
  const second = await attempt(context, task, run, slot, first.node === '' ? [] : [first.node]);
  if (second.state === 'ended') return second.result;
  throw new HoldfastError(second.error.code, `${second.error.message}; before that, ${first.error.message}`, { cause: first.error });
}

async function attempt(context: Context, task: MoverTask, run: RunOptions, slot: Slot, avoid: readonly string[]) {
  const { objects, settings, startMs, runtime } = context;
  const image = await imageFor(context, run.signal);
  const name = `holdfast-mover-${Buffer.from(runtime.random(5)).toString('hex')}`;
  const seconds = Math.ceil((settings.mover.timeoutMs + startMs) / 1000);
  const access = await accessFor(context, task, seconds, run.signal);
  const { installation } = context;
  const job = {
    name,
    task,
    installation,
    avoid,
    startMs,
    slot: `${context.process}-${slot.number}`,
    pod: { ...settings.mover, image },
    request: task.request(access),
  };
  const secret = task.repository === undefined ? undefined : (uid: string) => moverSecret(job, uid, access);
  let end: MoverEnd | undefined;
  const since = context.monotonic();
  context.observer?.moverBegan(job.request.action);
  try {
    await startMover(objects, { namespace: task.namespace, name, job: moverJob(job), secret, signal: run.signal });
    end = await watchMover(context, { name, task, onPlaced: node => slot.placed(node) }, run);
    return end;
  } finally {
    const podEnded = end?.state === 'ended';
    const { bytes = 0, addedBytes = 0 } = end?.state === 'ended' ? end.result : {};
    const measure = { result: outcomeOf(end, run.signal), seconds: (context.monotonic() - since) / 1000, bytes, addedBytes };
    context.observer?.moverEnded({ action: job.request.action, ...measure });
    await cleanUp(context, `job ${task.namespace}/${name}`, bound =>
      removeMover(objects, { namespace: task.namespace, name, podEnded }, bound),
    );
  }
}

async function imageFor({ settings, ownImage }: Context, signal: AbortSignal): Promise<string> {
  const image = settings.mover.image ?? (await ownImage?.(signal));
  if (image === undefined) throw new HoldfastError('CONFIG_INVALID', 'volumes.mover.image names no image');
  return image;
}

/**
 * As little as the work takes: a backup removes its locks and those that were left, and the key of a repository of which there is nothing else; only
 * upkeep removes data.
 */
async function accessFor(
  context: Context,
  { repository, role }: MoverTask,
  seconds: number,
  signal: AbortSignal,
): Promise<RepositoryAccess> {
  if (repository === undefined) return noAccess;
  const { key } = repository;
  if (role === 'restore') return context.access.issue(key, { write: false, seconds, signal });
  if (role === 'upkeep') return context.access.issue(key, { write: true, remove: [''], seconds, signal });
  const made = (await context.isMade?.(key, signal)) ?? false;
  return context.access.issue(key, { write: true, remove: made ? ['locks/'] : ['locks/', 'keys/'], seconds, signal });
}

function outcomeOf(end: MoverEnd | undefined, signal: AbortSignal): MoverOutcome {
  if (end === undefined) return signal.aborted ? 'cancelled' : 'failed';
  if (end.state === 'ended') return 'completed';
  return end.elsewhere ? 'interrupted' : 'failed';
}
