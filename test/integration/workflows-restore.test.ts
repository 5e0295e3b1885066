import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, parseJson, stringAt } from '../../src/domain/json.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { type LiveWorkflows, startLiveWorkflows, traceWorkflow, type WorkflowTrace } from '../fixtures/platform/workflows-live.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, restoreInto } from '../helpers/journey.ts';

const workflows: ResourceKind = {
  group: 'argoproj.io',
  version: 'v1alpha1',
  resource: 'workflows',
  kind: 'Workflow',
  namespaced: true,
  verbs: ['list'],
  subresources: [],
};

/** The real controller runs on both clusters, on the second one before, while and after the workflows come back. */
describe('workflows restored under a running Argo controller', () => {
  let source: TestCluster;
  let target: TestCluster;
  let location: OpenLocation;
  let api: ClusterApi;
  let live: LiveWorkflows;
  let before: { finished: WorkflowTrace; halfDone: WorkflowTrace };
  let phases: Map<string, string>;

  async function phasesOn(cluster: ClusterApi): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    await cluster.list(workflows, batch => {
      let start = 0;
      for (const end of batch.ends) {
        const workflow = parseJson(Buffer.from(batch.buffer.subarray(start, end)).toString());
        start = end;
        const finishedAt = stringAt(workflow, 'status', 'finishedAt') ?? '';
        found.set(stringAt(workflow, 'metadata', 'name') ?? '', `${stringAt(workflow, 'status', 'phase')} ${finishedAt}`);
      }
    });
    return found;
  }

  beforeAll(async () => {
    source = await startCluster({ name: 'workflows-source', argo: true, unsafeNoFsync: true });
    const from = await connect(source);
    location = await openTestRepository();
    await applyPlatform(source);
    live = await startLiveWorkflows(source);
    before = { finished: await traceWorkflow(source, live.finished), halfDone: await traceWorkflow(source, live.halfDone) };
    const id = await completeBackup(location, from);
    phases = await phasesOn(from);
    await from.close();
    await source.destroy();
    target = await startCluster({ name: 'workflows-target', argo: true, unsafeNoFsync: true });
    api = await connect(target);
    const outcome = await restoreInto(location, id, api);
    expect(outcome.problems.filter(problem => problem.severity === 'failed')).toEqual([]);
  }, 300_000);
  afterAll(async () => {
    await api?.close();
    await location?.remove();
    await source?.destroy();
    await target?.destroy();
  });

  it('a succeeded one stays succeeded, step by step as it was, and nothing of it runs', async () => {
    const trace = await traceWorkflow(target, live.finished);
    expect(trace.phase).toBe('Succeeded');
    expect(trace.steps).toEqual(before.finished.steps);
    expect(trace.ranHere).toEqual([]);
  });

  it('a half-done one goes on where it was: finished steps are not repeated, the waiting one still waits, the rest runs once', async () => {
    const waiting = await traceWorkflow(target, live.halfDone);
    expect(waiting.steps).toEqual(before.halfDone.steps);
    expect(waiting.ranHere).toEqual([]);
    const after = await live.resume(target);
    expect(after.phase).toBe('Succeeded');
    expect(after.steps.map(step => step.name)).toEqual(['implement', 'wait-for-pr', 'test']);
    expect(after.steps[0]).toEqual(before.halfDone.steps[0]);
    expect(after.steps[1]?.stamp).toBe(before.halfDone.steps[1]?.stamp);
    // By now the controller has worked through what came back: nothing of what had ended ran while it did.
    expect((await traceWorkflow(target, live.finished)).ranHere).toEqual([]);
  });

  it('every ended one keeps its end and the moment of it', async () => {
    const now = await phasesOn(api);
    const ended = [...phases].filter(([, state]) => /^(Succeeded|Failed|Error) ./.test(state));
    expect(ended.length).toBeGreaterThanOrEqual(4);
    for (const [name, state] of ended) expect(now.get(name), name).toBe(state);
    expect(at(parseJson((await api.get(workflows, live.namespace, live.finished)) ?? '{}'), 'status', 'nodes')).toBeDefined();
  });
});
