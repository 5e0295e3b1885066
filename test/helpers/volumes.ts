import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { createLease } from '../../src/cluster/lease.ts';
import type { PodApi } from '../../src/cluster/pod-api.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { stringAt } from '../../src/domain/json.ts';
import type { MoverPod, VolumeSettings } from '../../src/domain/volume-settings.ts';
import { defaultTuning } from '../../src/domain/volume-settings.ts';
import type { VolumeTools } from '../../src/restore/volumes/tools.ts';
import { jobs, namespaces, pods } from '../../src/volumes/kinds.ts';
import { createMovers, type MoversOptions } from '../../src/volumes/movers.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import type { AccessIssuer, Movers } from '../../src/volumes/ports.ts';
import { testRuntime } from './runtime.ts';

export const { signal: never } = new AbortController();

export const testMover: MoverPod & { readonly image: string } = {
  ...{ image: 'localhost/holdfast:test', imagePullPolicy: 'Never', nodeSelector: {}, timeoutMs: 60_000 },
  resources: { requests: { memory: '64Mi' }, limits: { memory: '512Mi' } },
};

export const testVolumeSettings: VolumeSettings = {
  ...{ namespace: 'holdfast', mover: testMover, tuning: defaultTuning, parallel: 4, parallelPerNode: 4, parallelSnapshots: 8 },
  ...{ snapshotTimeoutMs: 60_000, snapshotClasses: {}, keepSnapshots: 1, storageClasses: {}, liveFallback: true, hookTimeoutMs: 30_000 },
};

/** Of restores into new claims alone. */
export const intoNewClaims: Pick<VolumeTools, 'repositories' | 'scaled'> = {
  repositories: {
    forBackup: () => Promise.reject(new Error('no backup here')),
    open: async key => ({ key, password: 'secret' }),
  },
  scaled: {
    around: () => Promise.reject(new Error('nothing in place here')),
    scaleUpLeft: async () => ({ scaledUp: [], problems: [] }),
    scaleUpNoted: async () => {},
  },
};

/** Credentials as a store hands them out; nobody uses them. */
export const testAccess: AccessIssuer = {
  issue: async key => ({
    ...{
      url: `s3:http://minio:9000/bucket/${key.slice(0, -1)}`,
      options: [],
      accessKeyId: 'key-id',
      secretAccessKey: 'key',
      sessionToken: 'token',
    },
  }),
};

const silent: PodApi = {
  exec: async () => ({ code: 0, stdout: '', stderr: '' }),
  log: async function* () {},
};

export function moversOn(api: ClusterApi, options: Partial<MoversOptions> = {}): { movers: Movers; objects: Objects; warnings: string[] } {
  const warnings: string[] = [];
  const objects = createObjects(api, testRuntime);
  const movers = createMovers({
    ...{ objects, pods: silent, access: testAccess, settings: testVolumeSettings, runtime: testRuntime },
    lease: name => createLease(api, { namespace: testVolumeSettings.namespace, name }),
    monotonic: () => performance.now(),
    onWarning: text => warnings.push(text),
    ...options,
  });
  return { movers, objects, warnings };
}

export async function makeNamespace(objects: Objects, name: string): Promise<void> {
  await objects.ensure(namespaces, { metadata: { name } }, never);
}

/** The pod of the one mover that is there. */
export async function moverPod(objects: Objects, labelSelector = 'app.kubernetes.io/component=mover'): Promise<JsonObject> {
  const found = await objects.observe(pods, { labelSelector }, all => all.values().next().value, { timeoutMs: 60_000, signal: never });
  if (found === undefined) throw new Error('no mover has a pod');
  return found;
}

export const nameOf = (object: JsonObject | undefined): string => stringAt(object, 'metadata', 'name') ?? '';
export const namespaceOf = (object: JsonObject | undefined): string => stringAt(object, 'metadata', 'namespace') ?? '';

/** What a kubelet would say of the pod. */
export async function setPodStatus(api: ClusterApi, pod: JsonObject, status: object): Promise<void> {
  const body = JSON.stringify({ status });
  await api.patch(pods, namespaceOf(pod), nameOf(pod), { type: 'merge', body, subresource: 'status' });
}

/** All that movers leave behind, by kind. */
export async function leftovers(objects: Objects): Promise<string[]> {
  const found = await objects.list(jobs, { labelSelector: 'app.kubernetes.io/component=mover' }, never);
  return found.map(nameOf);
}
