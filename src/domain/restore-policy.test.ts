import { describe, expect, it } from 'vitest';
import { restoreExclusion, workflowFinished } from './restore-policy.ts';

const now = new Date('2026-11-23T02:00:00Z');
const pods = { group: '', resource: 'pods' };
const jobs = { group: 'batch', resource: 'jobs' };
const workflows = { group: 'argoproj.io', resource: 'workflows' };
const owned = { metadata: { ownerReferences: [{ kind: 'ReplicaSet', name: 'x', uid: 'u' }] } };
const finishedJob = (ttl: number) => ({
  spec: { ttlSecondsAfterFinished: ttl },
  status: { conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: '2026-11-23T01:00:00Z' }] },
});

describe('what is not brought back', () => {
  it('are pods that others make, mirrors, and pods that had finished', () => {
    expect(restoreExclusion(pods, owned, now)).toMatch(/its owner/);
    expect(restoreExclusion(pods, { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }, now)).toMatch(/mirror/);
    expect(restoreExclusion(pods, { status: { phase: 'Succeeded' } }, now)).toMatch(/again/);
    expect(restoreExclusion(pods, { status: { phase: 'Running' } }, now)).toBeUndefined();
    expect(restoreExclusion({ group: '', resource: 'configmaps' }, owned, now)).toBeUndefined();
  });

  it('are volumes that a provisioner made, not those made by hand', () => {
    const volumes = { group: '', resource: 'persistentvolumes' };
    expect(restoreExclusion(volumes, { metadata: { annotations: { 'pv.kubernetes.io/provisioned-by': 'x' } } }, now)).toMatch(/own/);
    expect(restoreExclusion(volumes, { metadata: {} }, now)).toBeUndefined();
  });

  it('are jobs and workflows past their time to live, which would be deleted at once', () => {
    expect(restoreExclusion(jobs, finishedJob(3599), now)).toMatch(/2026-11-23T01:59:59/);
    expect(restoreExclusion(jobs, finishedJob(3601), now)).toBeUndefined();
    expect(restoreExclusion(jobs, { spec: { ttlSecondsAfterFinished: 1 }, status: {} }, now)).toBeUndefined();
    const workflow = {
      spec: { ttlStrategy: { secondsAfterSuccess: 10 } },
      status: { phase: 'Succeeded', finishedAt: '2026-11-23T01:00:00Z' },
    };
    expect(restoreExclusion(workflows, workflow, now)).toMatch(/time to live/);
    expect(restoreExclusion(workflows, { ...workflow, status: { ...workflow.status, phase: 'Failed' } }, now)).toBeUndefined();
  });

  it('knows a finished workflow', () => {
    expect(['Succeeded', 'Failed', 'Error'].every(phase => workflowFinished({ status: { phase } }))).toBe(true);
    expect(['Running', 'Pending', ''].some(phase => workflowFinished({ status: { phase } }))).toBe(false);
  });
});
