import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { type JsonObject, stringAt } from '../../src/domain/json.ts';
import type { MoverRequest } from '../../src/domain/mover.ts';
import { volumeKey } from '../../src/repository/layout.ts';
import { jobs, leases, pods, secrets } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import type { Movers, MoverTask } from '../../src/volumes/ports.ts';
import { apiJson } from '../cluster/api-request.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { testRuntime } from './runtime.ts';
import { makeNamespace, nameOf, never, testVolumeSettings } from './volumes.ts';

export const repository = { key: volumeKey({ namespace: 'agents', claim: 'workspace' }), password: 'secret-password' };

/** What a mover is to do, unless a test wants something else. */
export const task: MoverTask = {
  ...{ work: '20261123T020000Z-daily-k3f9', role: 'backup', subject: { namespace: 'agents', claim: 'workspace' }, namespace: 'holdfast' },
  ...{ claim: { name: 'temporary', mode: 'Filesystem', readOnly: true }, repository },
  request: ({ url, options }): MoverRequest => ({
    ...{ action: 'backup', repository: url, options, tuning: testVolumeSettings.tuning, mode: 'Filesystem', path: '/data' },
    ...{ host: 'agents', tags: [], time: '2026-11-23T02:00:00Z' },
  }),
};

/** What it says of that. */
export const success = { ok: true, action: 'backup', snapshot: 'ab'.repeat(32), files: 2, bytes: 9, addedBytes: 9, durationMs: 4 } as const;

/** The status of a pod that has ended. */
export function ended(exitCode: number, reason: string, message: string): object {
  const state = { terminated: { exitCode, reason, message, startedAt: null, finishedAt: null } };
  const status = { name: 'mover', ready: false, restartCount: 0, image: 'i', imageID: '', state };
  return { phase: exitCode === 0 ? 'Succeeded' : 'Failed', containerStatuses: [status] };
}

/** A control plane without nodes, and what tests of movers do with it: they speak for scheduler and kubelet. */
export interface MoverWorld {
  readonly api: ClusterApi;
  readonly objects: Objects;
  run(movers: Movers, what?: MoverTask, signal?: AbortSignal): ReturnType<Movers['run']>;
  /** As the scheduler does. */
  bindTo(node: string, pod: JsonObject): Promise<void>;
  /** No Jobs, pods, Secrets and leases of movers, in all namespaces; waits for it. */
  nothingRemains(): Promise<void>;
}

/** For all tests of the calling `describe`, each of which leaves nothing. Call the result inside tests. */
export function withMoverWorld(): () => MoverWorld {
  const cluster = withCluster();
  let world: MoverWorld | undefined;
  beforeAll(async () => {
    const api = await connectTo(cluster());
    const objects = createObjects(api, testRuntime);
    await Promise.all([makeNamespace(objects, 'holdfast'), makeNamespace(objects, 'agents')]);
    const remains = async () => {
      const [left, leasesLeft] = await Promise.all([
        Promise.all([jobs, pods, secrets].map(kind => objects.list(kind, { labelSelector: 'app.kubernetes.io/component=mover' }, never))),
        objects.list(leases, { namespace: 'holdfast' }, never),
      ]);
      return [...left.flat(), ...leasesLeft].map(object => `${stringAt(object, 'kind') ?? 'object'} ${nameOf(object)}`);
    };
    world = {
      ...{ api, objects },
      run: (movers, what = task, signal = never) => movers.run(what, { signal, progress: () => {} }),
      bindTo: async (node, pod) => {
        const [namespace, name] = [stringAt(pod, 'metadata', 'namespace') ?? '', nameOf(pod)];
        const body = {
          ...{ apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace } },
          target: { apiVersion: 'v1', kind: 'Node', name: node },
        };
        await apiJson(cluster(), `/api/v1/namespaces/${namespace}/pods/${name}/binding`, { method: 'POST', body });
      },
      nothingRemains: () => expect.poll(remains, { timeout: 60_000, interval: 100 }).toEqual([]),
    };
  });
  afterEach(() => world?.nothingRemains());
  afterAll(() => world?.api.close());
  return () => {
    if (world === undefined) throw new Error('the cluster is up only while tests run');
    return world;
  };
}
