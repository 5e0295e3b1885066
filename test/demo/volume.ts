import { apiJson, createIfMissing, type KubeObject } from '../cluster/api-request.ts';
import type { ClusterWithNode } from '../cluster/cluster.ts';
import { storageClass } from '../cluster/csi.ts';
import { holdfastReference } from '../cluster/holdfast-image.ts';
import { createClaim, exec } from '../cluster/pods.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { waitFor } from '../cluster/wait.ts';

const namespace = 'agent-workspaces';
const agent = 'rex';
const bucket = 'disaster-recovery';

/** What the agent does all day: many small files, a large one, links, and owners of its own. */
const work = [
  'cd /workspace && mkdir -p src/lib target',
  'for n in $(seq 1 400); do echo "// module $n" > src/lib/module_$n.rs; done',
  'head -c 8000000 /dev/urandom > target/agent && chmod 755 target/agent',
  'ln -s ../target/agent src/current && chown -R 1000:1000 src && sync',
].join('\n');
const digest = 'cd /workspace && { find . -type f | sort | xargs sha256sum; find . | sort | xargs stat -c "%n %u:%g %a %F"; } | sha256sum';
const count = 'find /workspace -type f | wc -l';

/** A store off the cluster that pods reach, and the settings that movers need; none of them is an argument. */
export interface OffClusterStore {
  readonly server: S3Server;
  location(): string;
  environment(): Readonly<Record<string, string>>;
}

export async function startOffClusterStore(cluster: ClusterWithNode): Promise<OffClusterStore> {
  const server = await startMinio({ address: cluster.node.hostAddress });
  await server.createBucket(bucket);
  return {
    server,
    location: () => `s3://${bucket}/platform?${new URLSearchParams({ endpoint: server.endpoint, region: 'us-east-1', pathStyle: 'true' })}`,
    environment: () => ({
      ...{ AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey },
      HOLDFAST_VOLUMES_NAMESPACE: 'holdfast',
      HOLDFAST_VOLUMES_MOVER_IMAGE: holdfastReference,
      HOLDFAST_VOLUMES_MOVER_IMAGE_PULL_POLICY: 'Never',
    }),
  };
}

/** The namespace that movers run in. */
export async function prepareMovers(cluster: ClusterWithNode): Promise<void> {
  await createIfMissing(cluster, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'holdfast' } });
}

export interface Workspace {
  readonly files: number;
  /** Of every file with its owner and mode. */
  readonly digest: string;
}

/** An agent with a workspace that it has written to. */
export async function startAgent(cluster: ClusterWithNode): Promise<Workspace> {
  await createIfMissing(cluster, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await createClaim(cluster, { name: agent, namespace, size: '1Gi', storageClass });
  await apiJson(cluster, `/apis/apps/v1/namespaces/${namespace}/deployments`, { method: 'POST', body: deployment() });
  const pod = await runningAgent(cluster);
  await inAgent(cluster, pod, work);
  return lookAtWorkspace(cluster);
}

/** In the agent’s running pod, which is waited for. */
export async function lookAtWorkspace(cluster: ClusterWithNode): Promise<Workspace> {
  const pod = await runningAgent(cluster);
  return { files: Number(await inAgent(cluster, pod, count)), digest: (await inAgent(cluster, pod, digest)).slice(0, 64) };
}

async function inAgent(cluster: ClusterWithNode, pod: string, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await exec(cluster, { name: pod, namespace }, ['sh', '-c', script]);
  if (exitCode !== 0) throw new Error(`in the agent's pod: ${stderr}`);
  return stdout.trim();
}

interface Pods {
  readonly items: readonly { readonly metadata: { readonly name: string }; readonly status: { readonly phase: string } }[];
}

async function runningAgent(cluster: ClusterWithNode): Promise<string> {
  const running = async () => {
    const { items } = await apiJson<Pods>(cluster, `/api/v1/namespaces/${namespace}/pods?labelSelector=app=${agent}`);
    return items.find(pod => pod.status.phase === 'Running')?.metadata.name;
  };
  return waitFor(`the agent ${agent} runs`, running, { timeoutMs: 90_000, intervalMs: 200 });
}

function deployment(): KubeObject {
  const labels = { app: agent };
  const container = {
    ...{ name: agent, image: 'localhost/tools:1', imagePullPolicy: 'Never', command: ['sh', '-c', 'sleep 100000'] },
    volumeMounts: [{ name: 'workspace', mountPath: '/workspace' }],
  };
  const spec = {
    terminationGracePeriodSeconds: 1,
    containers: [container],
    volumes: [{ name: 'workspace', persistentVolumeClaim: { claimName: agent } }],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: agent, namespace },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}
