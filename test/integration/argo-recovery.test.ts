import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, isObject, type Json, type JsonObject, stringAt } from '../../src/domain/json.ts';
import { objectsIn } from '../../src/domain/live-record.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import type { RestoreOutcome } from '../../src/domain/restore-plan.ts';
import { everything } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { getObject, kindOf, plan, restore } from '../helpers/restore.ts';
import { everyHourSoonAgo } from '../helpers/schedules.ts';

const namespaces = kindOf('namespaces/v1 Namespace', false);
const accounts = kindOf('serviceaccounts/v1 ServiceAccount');
const pods = kindOf('pods/v1 Pod status');
const workflows = kindOf('workflows.argoproj.io/v1alpha1 Workflow');
const cronWorkflows = kindOf('cronworkflows.argoproj.io/v1alpha1 CronWorkflow');

const selection = { ...everything, includeNamespaces: ['runs'] };
/** No run of it comes due meanwhile. */
const hourly = everyHourSoonAgo();

/** Steps of real pods, on a cluster without nodes: their pods stay pending, and are said to run by the test. */
function workflow(name: string, more: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Workflow',
    metadata: { name, namespace: 'runs' },
    spec: {
      entrypoint: 'main',
      templates: [
        {
          name: 'main',
          steps: [[{ name: 'first', template: 'moment' }], [{ name: 'work', template: 'pod' }], [{ name: 'last', template: 'moment' }]],
        },
        { name: 'moment', suspend: { duration: '1' } },
        { name: 'pod', container: { image: 'example/none:1', command: ['true'] }, ...more },
      ],
    },
  };
}

describe('what the real controller does with workflows whose pods were lost with their cluster', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let set: SetReader;
  let outcome: RestoreOutcome;
  let cronMade: Date;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'argo-recovery', argo: true, unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
    await make(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'runs' } });
    await waitFor('the account', async () => (await api.get(accounts, 'runs', 'default')) !== undefined, { timeoutMs: 60_000 });
    await make(workflows, workflow('once'));
    await make(workflows, workflow('retrying', { retryStrategy: { limit: '3', retryPolicy: 'Always' } }));
    await make(workflows, workflow('waiting'));
    for (const name of ['once', 'retrying']) await sayThatItRuns(name);
    await waitForStep('runs', 'waiting', 'work', phase => phase === 'Pending');
    await make(cronWorkflows, cron('minutely', {}));
    await make(cronWorkflows, cron('strict', { startingDeadlineSeconds: 30 }));
    set = await reader(location, await completeBackup(location, api, selection));
    cronMade = new Date();
    outcome = await restore(set, api, { selection, namespaceMapping: { runs: 'again' } });
  }, 240_000);
  afterAll(async () => {
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  async function make(kind: ResourceKind, object: JsonObject): Promise<void> {
    await api.create(kind, stringAt(object, 'metadata', 'namespace') ?? '', JSON.stringify(object));
  }

  function cron(name: string, more: JsonObject): JsonObject {
    const { spec } = workflow(name);
    const hours = new Date(Date.now() - 3 * 3_600_000).toISOString();
    const metadata = {
      name,
      namespace: 'runs',
      annotations: { 'cronworkflows.argoproj.io/last-used-schedule': `CRON_TZ=Etc/UTC ${hourly}` },
    };
    const status = { lastScheduledTime: hours, active: [], conditions: [], succeeded: 0, failed: 0, phase: 'Active' };
    return {
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'CronWorkflow',
      metadata,
      spec: { schedules: [hourly], timezone: 'Etc/UTC', workflowSpec: spec ?? null, ...more },
      status,
    };
  }

  /** What a kubelet would report. */
  async function sayThatItRuns(name: string): Promise<void> {
    const node = await waitForStep('runs', name, 'work', phase => phase === 'Pending');
    const pod = await waitFor('its pod', async () => (await podsOf('runs', name))[0], { timeoutMs: 60_000 });
    const status = { phase: 'Running', startTime: new Date().toISOString(), containerStatuses: [] };
    await api.patch(pods, 'runs', pod, { type: 'merge', body: JSON.stringify({ status }), subresource: 'status' });
    await waitForStep('runs', name, String(at(node, 'displayName')), phase => phase === 'Running');
  }

  async function stepsOf(namespace: string, name: string): Promise<Json[]> {
    const nodes = at(await getObject(api, workflows, namespace, name), 'status', 'nodes');
    return isObject(nodes) ? (Object.values(nodes) as Json[]) : [];
  }

  async function waitForStep(namespace: string, name: string, step: string, reached: (phase: string) => boolean): Promise<Json> {
    return waitFor(
      `${name}: ${step}`,
      async () =>
        (await stepsOf(namespace, name)).find(one => String(at(one, 'displayName')).startsWith(step) && reached(String(at(one, 'phase')))),
      { timeoutMs: 120_000, intervalMs: 200 },
    );
  }

  async function podsOf(namespace: string, name: string): Promise<string[]> {
    const found: string[] = [];
    const sink = (batch: Parameters<Parameters<ClusterApi['list']>[1]>[0]) => {
      for (const pod of objectsIn(batch)) found.push(stringAt(pod, 'metadata', 'name') ?? '');
    };
    await api.list(pods, sink, { namespace, labelSelector: `workflows.argoproj.io/workflow=${name}` });
    return found;
  }

  const first = async (namespace: string, name: string) =>
    (await stepsOf(namespace, name)).find(step => at(step, 'displayName') === 'first');

  it('is said beforehand, workflow by workflow', async () => {
    expect(outcome.phase).toBe('Completed');
    const notes = new Map(outcome.problems.map(problem => [problem.item, problem.message]));
    expect(notes.get('workflows.argoproj.io again/once')).toMatch(/1 running steps \(work\) whose pods are gone/);
    expect(notes.get('workflows.argoproj.io again/waiting')).toMatch(/1 steps \(work\) that waited/);
    expect(await first('again', 'once')).toEqual(await first('runs', 'once'));
  });

  it('a lost step ends as an error, nothing after it runs, and nothing before it runs again', async () => {
    const lost = await waitForStep('again', 'once', 'work', phase => phase === 'Error');
    expect(at(lost, 'message')).toBe('pod deleted');
    const end = async () =>
      ['Failed', 'Error'].includes(stringAt(await getObject(api, workflows, 'again', 'once'), 'status', 'phase') ?? '');
    await waitFor('its end', end, { timeoutMs: 60_000 });
    const steps = await stepsOf('again', 'once');
    expect(steps.some(step => at(step, 'displayName') === 'last')).toBe(false);
    expect(steps.find(step => at(step, 'displayName') === 'first')).toEqual(await first('runs', 'once'));
    expect(await podsOf('again', 'once')).toEqual([]);
  });

  it('a lost step with a retry strategy is tried once more, in a pod of its own', async () => {
    await waitForStep('again', 'retrying', 'work(1)', phase => phase === 'Pending');
    expect(await podsOf('again', 'retrying')).toHaveLength(1);
    expect(await first('again', 'retrying')).toEqual(await first('runs', 'retrying'));
  });

  it('a step that waited for its pod gets one', async () => {
    await waitFor('a pod', async () => (await podsOf('again', 'waiting')).length === 1, { timeoutMs: 60_000 });
    expect(await first('again', 'waiting')).toEqual(await first('runs', 'waiting'));
  });

  it('a schedule that was missed for hours starts no storm', async () => {
    const made: string[] = [];
    await api.list(
      workflows,
      batch => {
        for (const one of objectsIn(batch)) {
          const by = stringAt(one, 'metadata', 'labels', 'workflows.argoproj.io/cron-workflow');
          const at = new Date(stringAt(one, 'metadata', 'creationTimestamp') ?? '');
          if (by !== undefined && at.getTime() >= cronMade.getTime() - 1_000) made.push(by);
        }
      },
      { namespace: 'again' },
    );
    expect(made).toEqual([]);
    expect(stringAt(await getObject(api, cronWorkflows, 'again', 'minutely'), 'status', 'lastScheduledTime')).toBeDefined();
  });

  it('a second run writes nothing, though the controller has gone on', async () => {
    const again = await restore(set, api, { selection, namespaceMapping: { runs: 'again' } });
    expect(again.writes).toBe(0);
    expect(again.totals.fail).toBe(0);
    const updating = await plan(set, api, { selection, namespaceMapping: { runs: 'again' }, existing: 'recreate' });
    const once = updating.steps.flatMap(step => step.objects).find(object => object.name === 'once');
    expect(once).toMatchObject({ action: 'skip-differs', reason: expect.stringMatching(/repeat/) });
  });
});
