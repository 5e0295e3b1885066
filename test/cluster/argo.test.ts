import { expect, test } from 'vitest';
import { apiJson, type KubeObject } from './api-request.ts';
import { startArgo } from './cluster.ts';
import { waitFor } from './wait.ts';
import { withCluster } from './with-cluster.ts';

const workflows = '/apis/argoproj.io/v1alpha1/namespaces/default/workflows';
const cluster = withCluster({ argo: 'full' });

interface Workflow {
  readonly status?: { readonly phase?: string };
}

function pause(name: string): KubeObject {
  const templates = [{ name: 'main', suspend: { duration: '1' } }];
  return { apiVersion: 'argoproj.io/v1alpha1', kind: 'Workflow', metadata: { name }, spec: { entrypoint: 'main', templates } };
}

async function succeeds(name: string): Promise<void> {
  await apiJson(cluster(), workflows, { method: 'POST', body: pause(name) });
  const phase = async () => (await apiJson<Workflow>(cluster(), `${workflows}/${name}`)).status?.phase === 'Succeeded';
  await waitFor(`workflow ${name} succeeded`, phase, { timeoutMs: 60_000, intervalMs: 200 });
}

test('a workflow of a suspend step succeeds without a node', async () => {
  await succeeds('alone');
});

test('a second controller, started by itself beside the first, leaves the configuration it finds as it is', async () => {
  const path = '/api/v1/namespaces/argo/configmaps/workflow-controller-configmap';
  const before = await apiJson<KubeObject>(cluster(), path);
  const second = await startArgo(cluster());
  try {
    expect((await apiJson<KubeObject>(cluster(), path)).metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    await succeeds('with-two');
  } finally {
    await second.stop();
  }
});

test('the definitions have full schemas: a workflow with an unknown shape is refused', async () => {
  const body = { ...pause('wrong'), spec: { entrypoint: 7 } };
  await expect(apiJson(cluster(), workflows, { method: 'POST', body })).rejects.toThrow('spec.entrypoint');
});
