import type { PodApi } from '../cluster/pod-api.ts';
import { HoldfastError } from '../domain/errors.ts';
import { isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import type { Progress, Runtime } from '../domain/runtime.ts';
import type { VolumeSettings } from '../domain/volume-settings.ts';
import { events, pods } from './kinds.ts';
import { jobLabel, moverContainer } from './mover-job.ts';
import { judgePod, type PodState } from './mover-pod.ts';
import type { Objects } from './objects.ts';
import type { MoverTask } from './ports.ts';

export type MoverEnd = Extract<PodState, { state: 'ended' | 'failed' }>;

interface WatchContext {
  readonly objects: Objects;
  readonly pods: PodApi;
  readonly settings: Pick<VolumeSettings, 'mover'>;
  readonly runtime: Runtime;
  readonly startMs: number;
}

interface Watched {
  readonly name: string;
  readonly task: MoverTask;
  readonly onPlaced: (node: string) => void;
}

interface RunOptions {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** A Job that has made no pod by then was refused one; the reason is in an Event. */
const podMs = 10_000;
/** After its grace period, a pod whose node says nothing will never say anything. */
const endingMs = 60_000;

/** From the start of a Job to what its pod came to. TIMEOUT where it does not end, MOVER_FAILED where it does not begin. */
export async function watchMover(context: WatchContext, watched: Watched, { signal, progress }: RunOptions): Promise<MoverEnd> {
  const { objects, settings, startMs } = context;
  const { namespace, subject } = watched.task;
  const where = { namespace, labelSelector: `${jobLabel}=${watched.name}` };
  const look = <T>(judge: (pod: JsonObject | undefined) => T | undefined, timeoutMs: number) =>
    objects.observe(pods, where, found => judge(found.values().next().value), { timeoutMs, signal });

  const there = await look(pod => (pod === undefined ? undefined : true), Math.min(podMs, startMs));
  const refusal = there === undefined ? await whyNoPod(objects, namespace, watched.name, signal) : undefined;
  if (refusal !== undefined) return never(refusal);

  let why = 'it has no pod';
  let [name, node] = ['', ''];
  const begin = (pod: JsonObject | undefined): MoverEnd | Extract<PodState, { state: 'running' }> | undefined => {
    if (pod === undefined) return name === '' ? undefined : lost(node, 'its pod was deleted');
    node = stringAt(pod, 'spec', 'nodeName') ?? '';
    name = stringAt(pod, 'metadata', 'name') ?? '';
    const state = judgePod(pod);
    if (state.state !== 'waiting') return state;
    why = state.why;
    return state.hopeless ? never(why) : undefined;
  };
  const since = context.runtime.now().getTime();
  let begun = await look(begin, startMs);
  // Another mover has its place, and ends: the scheduler places it then.
  while (begun === undefined && isCrowded(why) && context.runtime.now().getTime() - since < settings.mover.timeoutMs) {
    begun = await look(begin, startMs);
  }
  if (begun === undefined) return never(`it did not begin within ${Math.round(startMs / 1000)} s: ${why}`);
  if (begun.state !== 'running') return begun;

  watched.onPlaced(begun.node);
  const following = new AbortController();
  const log = follow(context.pods, { namespace, name, container: moverContainer }, subject, {
    signal: AbortSignal.any([signal, following.signal]),
    progress,
  });
  try {
    const ended = await look<MoverEnd | 'ending'>(pod => endOf(pod, begun.node), settings.mover.timeoutMs);
    if (ended === undefined) {
      throw new HoldfastError('TIMEOUT', `the mover on node ${begun.node} did not end within ${seconds(settings.mover.timeoutMs)}`, {
        hint: 'look for what is slow, or raise volumes.mover.timeout',
      });
    }
    if (ended !== 'ending') return ended;
    const last = await look<MoverEnd>(pod => {
      const end = endOf(pod, begun.node);
      return end === 'ending' ? undefined : end;
    }, endingMs);
    return last ?? lost(begun.node, 'its pod was deleted, and the node does not say that it has ended');
  } finally {
    following.abort();
    await log;
  }
}

/** In the scheduler’s words: `2 node(s) didn't match pod anti-affinity rules`. */
function isCrowded(why: string): boolean {
  return why.includes('anti-affinity');
}

function endOf(pod: JsonObject | undefined, node: string): MoverEnd | 'ending' | undefined {
  if (pod === undefined) return lost(node, 'its pod was deleted');
  const state = judgePod(pod);
  if (state.state === 'ended' || state.state === 'failed') return state;
  return state.state === 'running' && state.ending ? 'ending' : undefined;
}

function never(why: string): MoverEnd {
  return { state: 'failed', error: new HoldfastError('MOVER_FAILED', `the mover could not begin: ${why}`), node: '', elsewhere: false };
}

function lost(node: string, why: string): MoverEnd {
  const where = node === '' ? '' : ` on node ${node}`;
  return { state: 'failed', error: new HoldfastError('MOVER_FAILED', `the mover${where} failed: ${why}`), node, elsewhere: true };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

/** The Job controller's words when a quota, a policy or a webhook refuses the pod. */
async function whyNoPod(objects: Objects, namespace: string, job: string, signal: AbortSignal): Promise<string | undefined> {
  const fieldSelector = `involvedObject.kind=Job,involvedObject.name=${job},type=Warning`;
  try {
    const found = await objects.list(events, { namespace, fieldSelector }, signal);
    const message = stringAt(found.at(-1), 'message');
    return message === undefined ? undefined : `its pod was refused: ${message}`;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Passes the mover's own progress on; a log that cannot be read costs nothing else. */
async function follow(
  api: PodApi,
  pod: { readonly namespace: string; readonly name: string; readonly container: string },
  subject: MoverTask['subject'],
  { signal, progress }: RunOptions,
): Promise<void> {
  try {
    for await (const line of api.log(pod, { signal })) {
      const said = progressIn(line);
      if (said !== undefined) progress({ phase: 'move', detail: `${subject.namespace}/${subject.claim}`, ...said });
    }
  } catch {
    // what counts is the pod's end
  }
}

function progressIn(line: string): { readonly objects: number; readonly bytes: number } | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value = parseJson(line);
    const said = isObject(value) ? value['progress'] : undefined;
    if (!isObject(said) || typeof said['files'] !== 'number' || typeof said['bytes'] !== 'number') return undefined;
    return { objects: said['files'], bytes: said['bytes'] };
  } catch {
    return undefined;
  }
}
