import { beforeAll, describe, expect, test } from 'vitest';
import { apiJson, apiRequest, type KubeObject } from '../cluster/api-request.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { objectPath, PlatformClient } from '../fixtures/platform/client.ts';
import { startCodeRunController } from '../fixtures/platform/coderun-controller.ts';
import { generateObjects } from '../fixtures/platform/generate.ts';
import { oddKeys, oddLongKey, oddNumbers, oddText } from '../fixtures/platform/odd.ts';
import { isHalfDone, startLiveWorkflows, traceWorkflow, waitForWorkflow } from '../fixtures/platform/workflows-live.ts';

const namespace = 'agent-platform';
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
const codeRuns = `/apis/agents.platform/v1/namespaces/${namespace}/coderuns`;
const workflows = `/apis/argoproj.io/v1alpha1/namespaces/${namespace}/workflows`;
const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;

interface Found extends KubeObject {
  readonly metadata: KubeObject['metadata'] & {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly finalizers?: readonly string[];
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string; readonly uid: string }[];
    readonly managedFields?: readonly { manager: string; operation: string; apiVersion: string; fieldsV1: unknown }[];
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly status?: { readonly phase?: string; readonly conditions?: readonly { readonly type: string }[]; [field: string]: unknown };
}

const cluster = withCluster({ argo: 'full' });
const get = (path: string): Promise<Found> => apiJson<Found>(cluster(), path);

/** Contents of every object that the platform's own managers own fields of: without revision, status, and the times of managed fields. */
async function contents(): Promise<Map<string, string>> {
  const client = await PlatformClient.connect(cluster());
  const found = new Map<string, string>();
  try {
    for (const list of new Set([...(await client.kinds()).values()].map(kind => objectPath(kind, '', '')))) {
      const { status, text } = await client.request('GET', list);
      const items = status === 200 ? ((JSON.parse(text) as { items?: Found[] }).items ?? []) : [];
      for (const { metadata, status: _, ...rest } of items) {
        const { resourceVersion: __, managedFields = [], ...stable } = metadata;
        const managers = managedFields.filter(({ manager }) => /^(platform-|agent-|kubectl-edit|pool-)/.test(manager));
        const owned = managers.map(({ manager, operation, fieldsV1 }) => ({ manager, operation, fieldsV1 }));
        if (owned.length > 0) found.set(`${list} ${metadata.namespace}/${metadata.name}`, JSON.stringify({ stable, owned, rest }));
      }
    }
  } finally {
    await client.close();
  }
  return found;
}

/** The same once the control plane has added all of it. */
async function atRest(): Promise<Map<string, string>> {
  let before = await contents();
  const same = async () => {
    const now = await contents();
    const changed = now.size !== before.size || [...now].some(([path, object]) => before.get(path) !== object);
    before = now;
    return changed ? undefined : now;
  };
  return waitFor('the platform at rest', same, { timeoutMs: 60_000, intervalMs: 1_000 });
}

beforeAll(async () => {
  await applyPlatform(cluster());
});

test('applied again, the platform is as large as before and not an object has changed', async () => {
  // What the control plane adds to new objects is on its way.
  const bound = async () => (await get('/api/v1/persistentvolumes/artifact-export')).status?.phase === 'Bound';
  await waitFor('the volume bound', bound, { timeoutMs: 90_000 });
  const token = async () => (await get(`/api/v1/namespaces/${namespace}/secrets/odd-agent-token`)).data?.token !== undefined;
  await waitFor('the token made', token, { timeoutMs: 90_000 });
  const before = await atRest();
  expect(before.size).toBeGreaterThan(120);
  expect((await applyPlatform(cluster())).objects).toBeGreaterThan(130);
  const after = await contents();
  expect([...after.keys()]).toEqual([...before.keys()]);
  expect([...before].filter(([path, object]) => after.get(path) !== object)).toEqual([]);
});

describe('workflows', () => {
  test('one of the live ones finishes, the other stops after its first step, and both tell what ran', async () => {
    const live = await startLiveWorkflows(cluster());
    const finished = await waitForWorkflow(cluster(), live.finished, trace => trace.ranHere.length === 2);
    expect(finished.steps.map(step => `${step.name} ${step.phase}`)).toEqual(['implement Succeeded', 'test Succeeded']);
    const half = await waitForWorkflow(cluster(), live.halfDone, trace => isHalfDone(trace) && trace.ranHere.length === 2);
    expect(half.ranHere).toEqual(['implement', 'wait-for-pr']);
    const resumed = await live.resume(cluster());
    expect(resumed.steps.map(step => step.name)).toEqual(['implement', 'wait-for-pr', 'test']);
    expect(resumed.steps[0]).toEqual(half.steps[0]);
  });

  test('a step that runs again shows it', async () => {
    const where = { namespace: 'argo' };
    const { finished } = await startLiveWorkflows(cluster(), where);
    const path = `${workflows.replace(namespace, where.namespace)}/${finished}`;
    const before = await traceWorkflow(cluster(), finished, where.namespace);
    await apiRequest(cluster(), path, { method: 'DELETE' });
    await startLiveWorkflows(cluster(), where);
    const again = await traceWorkflow(cluster(), finished, where.namespace);
    expect(again.steps.map(step => step.name)).toEqual(before.steps.map(step => step.name));
    expect(again.steps[0]?.stamp).not.toBe(before.steps[0]?.stamp);
  });

  test('a running controller leaves every one of the platform as it was written', async () => {
    // It takes them from one queue, in which these two come last.
    await startLiveWorkflows(cluster(), { namespace: 'argo-events' });
    const phases: (string | undefined)[] = [];
    for (const task of [26, 25, 24, 27, 22, 21, 20, 19]) {
      const { metadata, status } = await get(`${workflows}/play-task-${task}-workflow`);
      phases.push(status?.phase);
      expect(metadata.managedFields, metadata.name).toHaveLength(1);
      expect(metadata.generation, metadata.name).toBe(1);
    }
    expect(phases).toEqual(['Running', 'Running', 'Running', 'Pending', 'Succeeded', 'Failed', 'Error', 'Succeeded']);
  });
});

describe('odd objects', () => {
  test('every digit of a number comes back as the API server stores it', async () => {
    const { text } = await apiRequest(cluster(), `${codeRuns}/odd-numbers`);
    for (const { field, stored } of oddNumbers) expect(text).toMatch(new RegExp(`"${field}":\\s*${RegExp.escape(stored)}[,}\\s]`));
    expect(text).toMatch(/"taskId":\s*9223372036854775807\b/);
  });

  test('keys that JavaScript treats specially, null and empty values are there', async () => {
    const run = (await get(`${codeRuns}/odd-fields`)) as unknown as { spec: { settings: Record<string, unknown> } };
    expect(Object.keys(run.spec.settings.keys as object).sort()).toEqual([...oddKeys].sort());
    expect(run.spec.settings).toMatchObject({ null: null, nulls: [null, [], {}, ''], empty: {}, '': 'empty key' });
    expect(Object.entries((await get(`${configMaps}/odd-keys`)).data ?? {}).find(([key]) => key === '__proto__')?.[1]).toBe(
      'value of __proto__',
    );
  });

  test('a key of 1,500 characters is there', async () => {
    const run = (await get(`${codeRuns}/odd-long-key`)) as unknown as { spec: { settings: Record<string, unknown> } };
    expect(run.spec.settings).toEqual({ [oddLongKey]: 1 });
  });

  test('text of every kind, every byte, and a megabyte are whole', async () => {
    const { data, metadata } = await get(`${configMaps}/odd-text`);
    expect([data?.text, metadata.annotations?.['platform/note']]).toEqual([oddText, oddText]);
    const binary = (await get(`${configMaps}/odd-binary`)) as unknown as { binaryData: Record<string, string> };
    expect([...Buffer.from(binary.binaryData['every-byte.bin'] ?? '', 'base64')]).toEqual(Array.from({ length: 256 }, (_, n) => n));
    expect((await get(`${configMaps}/odd-large`)).data?.['report.txt']).toHaveLength(1_000_000);
  });

  test('owners are named with their true UIDs, three deep and across scopes', async () => {
    const chain = [`${workflows}/play-task-22-workflow`, `${codeRuns}/odd-owned-run`, `${configMaps}/odd-owned-result`];
    const [workflow, run, result] = await Promise.all(chain.map(get));
    expect(run?.metadata.ownerReferences?.[0]).toMatchObject({ kind: 'Workflow', uid: workflow?.metadata.uid });
    expect(result?.metadata.ownerReferences?.[0]).toMatchObject({ kind: 'CodeRun', uid: run?.metadata.uid });
    const pool = await get('/apis/agents.platform/v1/agentpools/standard');
    const dependent = await get(`${configMaps}/odd-owned-by-cluster-scoped`);
    expect(dependent.metadata.ownerReferences?.[0]).toMatchObject({ kind: 'AgentPool', uid: pool.metadata.uid });
  });

  test('fields are owned by two appliers and an updater, and in two versions', async () => {
    const owners = async (path: string) =>
      (await get(path)).metadata.managedFields?.map(({ manager, operation, apiVersion }) => `${manager} ${operation} ${apiVersion}`).sort();
    expect(await owners(`${configMaps}/odd-managers`)).toEqual([
      'agent-operator Apply v1',
      'kubectl-edit Update v1',
      'platform-gitops Apply v1',
    ]);
    expect(await owners('/apis/agents.platform/v1/agentpools/odd-versions')).toEqual([
      'platform-gitops Apply agents.platform/v1',
      'pool-autoscaler Update agents.platform/v1beta1',
    ]);
  });

  test('the control plane has made a token for the secret of a service account', async () => {
    const secret = () => get(`/api/v1/namespaces/${namespace}/secrets/odd-agent-token`);
    await waitFor('a token', async () => ((await secret()).data?.token ?? '').length > 100, { timeoutMs: 90_000 });
  });

  test('a name may hold spaces, letters of any script and a colon', async () => {
    const name = encodeURIComponent('platform:odd:Überwachung 🔑 (read only)');
    expect((await get(`/apis/rbac.authorization.k8s.io/v1/clusterroles/${name}`)).metadata.name).toContain('🔑');
  });
});

test('status is there where the kind has a status subresource', async () => {
  expect((await get(`${codeRuns}/task-24-rex`)).status).toMatchObject({ phase: 'Succeeded', tokensUsed: 1734022 });
  const certificates = '/apis/cert-manager.io/v1/namespaces/argo-events/certificates';
  expect((await get(`${certificates}/hooks`)).status).toMatchObject({ revision: 12, nextPrivateKeySecretName: 'hooks-x7k2p' });
});

test('the finished job stays finished: the job controller has made no pod for it', async () => {
  const suspended = async () => (await get(`${jobs}/workspace-migration`)).status?.conditions?.some(({ type }) => type === 'Suspended');
  await waitFor('the job controller at work', suspended, { timeoutMs: 90_000 });
  const job = await get(`${jobs}/docs-generate-000017`);
  expect(job).toMatchObject({ spec: { suspend: false }, status: { succeeded: 1, completionTime: '2026-11-20T21:07:31Z' } });
  const pods = await apiJson<{ items: unknown[] }>(
    cluster(),
    `/api/v1/namespaces/${namespace}/pods?labelSelector=job-name=docs-generate-000017`,
  );
  expect(pods.items).toEqual([]);
});

test('the CodeRun controller brings a new run to its end and touches neither a held one nor one that is over', async () => {
  const untouched = ['task-24-rex', 'task-25-cleo', 'task-26-tess', 'odd-numbers', 'odd-owned-run'];
  const versions = () => Promise.all(untouched.map(async name => (await get(`${codeRuns}/${name}`)).metadata.resourceVersion));
  const before = await versions();
  const controller = await startCodeRunController(cluster());
  try {
    const body = {
      apiVersion: 'agents.platform/v1',
      kind: 'CodeRun',
      metadata: { name: 'fresh', namespace },
      spec: { taskId: 7, githubApp: '5DLabs-Rex' },
    };
    const created = await apiJson<Found>(cluster(), codeRuns, { method: 'POST', body });
    const over = async () => (await get(`${codeRuns}/fresh`)).status?.phase === 'Succeeded';
    await waitFor('the run over', over, { timeoutMs: 90_000 });
    expect((await get(`${codeRuns}/fresh`)).status).toMatchObject({ observedGeneration: 1, startedAt: expect.any(String) });
    expect((await get(`${configMaps}/fresh-result`)).metadata.ownerReferences?.[0]?.uid).toBe(created.metadata.uid);
    expect(await versions()).toEqual(before);
  } finally {
    await controller.stop();
  }
});

test('generated objects are accepted, all of them, and made only once', async () => {
  const first = await generateObjects(cluster(), { objects: 400, seed: 5 });
  expect(first.objects).toBe(400);
  const list = async () =>
    (await apiJson<{ items: unknown[] }>(cluster(), `${workflows.replace(namespace, 'load-5-00')}?limit=500`)).items.length;
  const made = await list();
  expect(made).toBeGreaterThan(5);
  expect((await generateObjects(cluster(), { objects: 400, seed: 5 })).objects).toBe(400);
  expect(await list()).toBe(made);
});
