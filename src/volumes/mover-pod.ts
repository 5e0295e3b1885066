import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import { at, isObject, type Json, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import type { MoverFailure, MoverResult } from '../domain/mover.ts';
import { moverContainer } from './mover-job.ts';

export type MoverSuccess = Extract<MoverResult, { ok: true }>;

/** What a pod of a mover has come to. `elsewhere`: it was the node's or somebody's doing, and another try has a chance. */
export type PodState =
  | { readonly state: 'waiting'; readonly why: string; readonly hopeless: boolean }
  | { readonly state: 'running'; readonly node: string; readonly ending: boolean }
  | { readonly state: 'ended'; readonly result: MoverSuccess }
  | { readonly state: 'failed'; readonly error: HoldfastError; readonly node: string; readonly elsewhere: boolean };

export const moverFailureCodes = {
  incomplete: 'VOLUME_UNREADABLE',
  'store-unreachable': 'STORE_UNREACHABLE',
  'store-forbidden': 'STORE_FORBIDDEN',
  'wrong-password': 'VOLUME_PASSWORD_WRONG',
  'repository-damaged': 'VOLUME_DATA_DAMAGED',
  'snapshot-missing': 'VOLUME_DATA_DAMAGED',
  'volume-full': 'VOLUME_FULL',
  'volume-unreadable': 'VOLUME_UNREADABLE',
  locked: 'MOVER_FAILED',
  interrupted: 'MOVER_FAILED',
  failed: 'MOVER_FAILED',
} as const satisfies Record<MoverFailure, ErrorCode>;

/** Waiting does not mend these. */
const hopelessWaits = new Set(['InvalidImageName', 'ErrImageNeverPull', 'CreateContainerConfigError']);

export function judgePod(pod: JsonObject): PodState {
  const node = stringAt(pod, 'spec', 'nodeName') ?? '';
  const ending = stringAt(pod, 'metadata', 'deletionTimestamp') !== undefined;
  const container = containerStatus(pod);
  const phase = stringAt(pod, 'status', 'phase') ?? 'Pending';
  const terminated = at(container, 'state', 'terminated');
  if (isObject(terminated)) return judgeEnd(pod, terminated, node, ending);
  if (phase === 'Failed') return failed(pod, node, ending, reasonOf(pod) ?? 'it ended without a word');
  if (at(container, 'state', 'running') !== undefined) return { state: 'running', node, ending };
  const waiting = stringAt(container, 'state', 'waiting', 'reason') ?? '';
  return { state: 'waiting', why: waitingFor(pod, container), hopeless: hopelessWaits.has(waiting) };
}

function judgeEnd(pod: JsonObject, terminated: JsonObject, node: string, ending: boolean): PodState {
  const result = readResult(stringAt(terminated, 'message') ?? '');
  if (result?.ok === true) return { state: 'ended', result };
  const reason = stringAt(terminated, 'reason') ?? '';
  if (reason === 'OOMKilled') {
    const limit = stringAt(moverOf(pod, 'spec', 'containers'), 'resources', 'limits', 'memory');
    const which = limit === undefined ? 'without a limit of its own: the node ran out of it' : `beyond its limit of ${limit}`;
    return failed(pod, node, false, `it was killed because it needed memory ${which} (volumes.mover.resources.limits.memory)`);
  }
  const words = reasonOf(pod);
  if (words !== undefined) return failed(pod, node, ending, words);
  if (result !== undefined) {
    const interrupted = result.code === 'interrupted';
    const error = new HoldfastError(moverFailureCodes[result.code], result.message);
    return { state: 'failed', error, node, elsewhere: interrupted };
  }
  const code = at(terminated, 'exitCode');
  return failed(pod, node, ending, `it ended with exit code ${typeof code === 'number' ? code : 'unknown'} and no result (${reason})`);
}

/** An eviction, a drained or lost node, in the words of whoever did it. */
function reasonOf(pod: JsonObject): string | undefined {
  const disruption = condition(pod, 'DisruptionTarget');
  const message = stringAt(disruption, 'message') ?? stringAt(pod, 'status', 'message');
  const reason = stringAt(disruption, 'reason') ?? stringAt(pod, 'status', 'reason');
  if (reason === undefined) return undefined;
  return `it was ended by the cluster: ${reason}${message === undefined || message === '' ? '' : `: ${message}`}`;
}

function failed(pod: JsonObject, node: string, ending: boolean, why: string): PodState {
  const disrupted = condition(pod, 'DisruptionTarget') !== undefined || stringAt(pod, 'status', 'reason') === 'Evicted';
  const where = node === '' ? '' : ` on node ${node}`;
  return {
    state: 'failed',
    error: new HoldfastError('MOVER_FAILED', `the mover${where} failed: ${why}`),
    node,
    elsewhere: disrupted || ending,
  };
}

/** The scheduler's words, the image's trouble, or what the kubelet is still at. */
function waitingFor(pod: JsonObject, container: Json | undefined): string {
  const scheduled = condition(pod, 'PodScheduled');
  if (stringAt(scheduled, 'status') === 'False') {
    return `it cannot be scheduled: ${stringAt(scheduled, 'message') ?? stringAt(scheduled, 'reason') ?? ''}`;
  }
  const waiting = at(container, 'state', 'waiting');
  const reason = stringAt(waiting, 'reason');
  if (reason === undefined) return 'no node has taken it yet';
  const message = stringAt(waiting, 'message');
  if (message !== undefined) return `${reason}: ${message}`;
  return reason === 'ContainerCreating' ? 'its volumes are not mounted yet (ContainerCreating)' : reason;
}

/** The last line that is one: a program that fails may have written before. */
function readResult(message: string): MoverResult | undefined {
  for (const line of message.trim().split('\n').reverse()) {
    try {
      const value = parseJson(line);
      if (isObject(value) && value['ok'] === true && typeof value['action'] === 'string') return value as unknown as MoverSuccess;
      if (isObject(value) && value['ok'] === false && isFailure(value['code'])) return value as unknown as MoverResult;
    } catch {
      // not ours
    }
  }
  return undefined;
}

function isFailure(code: unknown): code is MoverFailure {
  return typeof code === 'string' && Object.hasOwn(moverFailureCodes, code);
}

function containerStatus(pod: JsonObject): Json | undefined {
  return moverOf(pod, 'status', 'containerStatuses');
}

function moverOf(pod: JsonObject, ...path: string[]): Json | undefined {
  const list = at(pod, ...path);
  return Array.isArray(list) ? list.find(one => stringAt(one, 'name') === moverContainer) : undefined;
}

function condition(pod: JsonObject, type: string): Json | undefined {
  const list = at(pod, 'status', 'conditions');
  return Array.isArray(list)
    ? list.find(one => stringAt(one, 'type') === type && (type === 'PodScheduled' || stringAt(one, 'status') === 'True'))
    : undefined;
}
