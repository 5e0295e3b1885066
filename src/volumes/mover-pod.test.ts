import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../domain/json.ts';
import { judgePod } from './mover-pod.ts';

const limits = { resources: { limits: { memory: '256Mi' } } };

function pod(status: JsonObject, metadata: JsonObject = {}): JsonObject {
  return { metadata, spec: { nodeName: 'n1', containers: [{ name: 'mover', ...limits }] }, status };
}

function terminated(state: JsonObject, more: JsonObject = {}, metadata: JsonObject = {}): JsonObject {
  return pod({ phase: 'Failed', containerStatuses: [{ name: 'mover', state: { terminated: state } }], ...more }, metadata);
}

function failure(found: JsonObject) {
  const state = judgePod(found);
  if (state.state !== 'failed') throw new Error(`it is ${state.state}`);
  return { code: state.error.code, message: state.error.message, elsewhere: state.elsewhere };
}

describe('what a pod of a mover has come to', () => {
  it('is its result, the last line of its termination message', () => {
    const result = { ok: true, action: 'backup', snapshot: 'ab', files: 3, durationMs: 5 } as const;
    const message = `a warning\n${JSON.stringify(result)}\n`;
    expect(judgePod(terminated({ exitCode: 0, reason: 'Completed', message }))).toEqual({ state: 'ended', result });
  });

  it('is the failure that it names', () => {
    const message = JSON.stringify({ ok: false, action: 'backup', code: 'wrong-password', message: 'wrong password', durationMs: 1 });
    expect(failure(terminated({ exitCode: 1, reason: 'Error', message }))).toEqual({
      code: 'VOLUME_PASSWORD_WRONG',
      message: 'wrong password',
      elsewhere: false,
    });
  });

  it('names the limit where memory was short', () => {
    expect(failure(terminated({ exitCode: 137, reason: 'OOMKilled' }))).toEqual({
      code: 'MOVER_FAILED',
      message:
        'the mover on node n1 failed: it was killed because it needed memory beyond its limit of 256Mi (volumes.mover.resources.limits.memory)',
      elsewhere: false,
    });
  });

  it.each([
    [
      'a drained node',
      terminated(
        { exitCode: 143, reason: 'Error' },
        { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' }] },
      ),
      'EvictionByEvictionAPI: Eviction API: evicting',
    ],
    [
      'an eviction for want of disk',
      pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: ephemeral-storage.' }),
      'Evicted: The node was low on resource: ephemeral-storage.',
    ],
  ])('is tried elsewhere after %s', (_, found, words) => {
    expect(failure(found)).toEqual({
      code: 'MOVER_FAILED',
      message: `the mover on node n1 failed: it was ended by the cluster: ${words}`,
      elsewhere: true,
    });
  });

  it('is tried elsewhere when the pod was deleted, or says that it was interrupted', () => {
    const deleted = terminated({ exitCode: 143, reason: 'Error' }, {}, { deletionTimestamp: '2026-11-23T02:00:00Z' });
    expect(failure(deleted)).toMatchObject({ elsewhere: true, message: expect.stringContaining('exit code 143') });
    const message = JSON.stringify({ ok: false, action: 'backup', code: 'interrupted', message: 'SIGTERM', durationMs: 1 });
    expect(failure(terminated({ exitCode: 1, reason: 'Error', message })).elsewhere).toBe(true);
  });

  it.each([
    [
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }] },
      '0/3 nodes',
    ],
    [
      { phase: 'Pending', containerStatuses: [{ name: 'mover', state: { waiting: { reason: 'ImagePullBackOff', message: 'x' } } }] },
      'ImagePullBackOff: x',
    ],
    [
      { phase: 'Pending', containerStatuses: [{ name: 'mover', state: { waiting: { reason: 'ContainerCreating' } } }] },
      'volumes are not mounted',
    ],
  ])('waits, and says for what', (status, words) => {
    expect(judgePod(pod(status))).toEqual({ state: 'waiting', why: expect.stringContaining(words), hopeless: false });
  });

  it('does not wait for an image that will never be there', () => {
    const state = { waiting: { reason: 'ErrImageNeverPull', message: 'not present' } };
    const found = judgePod(pod({ phase: 'Pending', containerStatuses: [{ name: 'mover', state }] }));
    expect(found).toEqual({ state: 'waiting', why: 'ErrImageNeverPull: not present', hopeless: true });
  });

  it('runs, and is told apart when it is being deleted', () => {
    const status = { phase: 'Running', containerStatuses: [{ name: 'mover', state: { running: {} } }] };
    expect(judgePod(pod(status))).toEqual({ state: 'running', node: 'n1', ending: false });
    expect(judgePod(pod(status, { deletionTimestamp: 'x' }))).toEqual({ state: 'running', node: 'n1', ending: true });
  });
});
