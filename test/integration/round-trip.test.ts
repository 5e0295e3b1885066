import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { kindName } from '../../src/domain/resource.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { canonical, dumpCluster, type Fields, removeField } from '../helpers/raw-dump.ts';
import { restore, settledRevisions } from '../helpers/restore.ts';

/** Written by hand and not taken from the program: what another cluster has of its own. */
const ignoredKinds = [
  ...['events', 'events.events.k8s.io', 'leases.coordination.k8s.io', 'componentstatuses', 'endpoints', 'endpointslices.discovery.k8s.io'],
  ...['ipaddresses.networking.k8s.io', 'apiservices.apiregistration.k8s.io'],
];
/** Objects of the control plane itself, and the token that its controller makes. */
const ignoredObjects = [
  /^configmaps \S+\/kube-root-ca\.crt$/,
  /^configmaps kube-system\/(extension-apiserver-authentication|kube-apiserver-legacy-service-account-token-tracking)$/,
  /^services default\/kubernetes$/,
  /^secrets agent-platform\/odd-agent-token$/,
];
/** Kinds or single objects, and paths in them; `*` is every kind, and within a path every member or item. */
const ignoredFields: readonly (readonly [of: string, ...path: string[]])[] = [
  ...['uid', 'resourceVersion', 'creationTimestamp', 'generation', 'managedFields'].map(name => ['*', 'metadata', name] as const),
  ['*', 'metadata', 'ownerReferences', '*', 'uid'],
  // What controllers that are at work here say of it. The status of everything else comes back.
  ...[
    ...['persistentvolumeclaims', 'persistentvolumes', 'pods', 'resourcequotas', 'deployments.apps', 'poddisruptionbudgets.policy'],
    ...['horizontalpodautoscalers.autoscaling', 'customresourcedefinitions.apiextensions.k8s.io', 'servicecidrs.networking.k8s.io'],
    ...['flowschemas.flowcontrol.apiserver.k8s.io', 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io'],
    'jobs.batch agent-platform/workspace-migration',
  ].map(of => [of, 'status'] as const),
  // Copied from the template by the API server where a job has no labels; that of the template is compared.
  ...['batch.kubernetes.io/controller-uid', 'controller-uid'].map(label => ['jobs.batch', 'metadata', 'labels', label] as const),
  ['services', 'spec', 'clusterIP'],
  ['services', 'spec', 'clusterIPs'],
  ['persistentvolumes', 'spec', 'claimRef', 'uid'],
  ['persistentvolumes', 'spec', 'claimRef', 'resourceVersion'],
];
/** Belongs to storage of the other cluster. */
const leftBehind = ['volumesnapshots.snapshot.storage.k8s.io agent-platform/workspace-tess-seed'];

/** What is to be the same, as text: its own UID in labels, and the token mount that each pod is given anew, by another name. */
function comparable(key: string, object: Fields): string {
  const [kind = ''] = key.split(' ');
  const copy = structuredClone(object);
  const { uid } = copy['metadata'] as Fields;
  for (const [of, ...path] of ignoredFields) if (of === '*' || of === kind || of === key) removeField(copy, path);
  return canonical(copy)
    .replaceAll(String(uid), 'its own UID')
    .replace(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access');
}

/** One thing after another; what has an owner follows its owner. */
const order = [
  ['customresourcedefinitions.apiextensions.k8s.io'],
  ['namespaces'],
  [
    ...['serviceaccounts', 'storageclasses.storage.k8s.io'],
    ...['clusterroles', 'roles', 'rolebindings'].map(of => `${of}.rbac.authorization.k8s.io`),
  ],
  ...[['configmaps'], ['secrets'], ['persistentvolumeclaims'], ['deployments.apps'], ['workflows.argoproj.io']],
];

/** A request that makes an object; when it was sent and answered, counted over all of them. */
interface Write {
  /** As in a dump. */
  readonly key: string;
  readonly begun: number;
  ended: number;
}

/** The same cluster, with every request written down that makes an object. */
function recording(api: ClusterApi, writes: Write[]): ClusterApi {
  let moment = 0;
  const recorded = async <T>(key: string, send: () => Promise<T>): Promise<T> => {
    const begun = ++moment;
    const write = { key, begun, ended: begun };
    writes.push(write);
    try {
      return await send();
    } finally {
      write.ended = ++moment;
    }
  };
  return {
    ...api,
    create: (kind, namespace, body, options) => {
      const { metadata } = JSON.parse(body) as { metadata: { name: string } };
      return recorded(`${kindName(kind)} ${namespace}/${metadata.name}`, () => api.create(kind, namespace, body, options));
    },
    patch: (kind, namespace, name, patch, options) => {
      const send = () => api.patch(kind, namespace, name, patch, options);
      return patch.type === 'apply' && patch.subresource === undefined ? recorded(`${kindName(kind)} ${namespace}/${name}`, send) : send();
    },
  };
}

describe('the sample platform with the full schemas of its definitions, by plain HTTP before and after', () => {
  let location: OpenLocation;
  let cluster: TestCluster;
  let before: Map<string, Fields>;
  let after: Map<string, Fields>;
  const writes: Write[] = [];

  beforeAll(async () => {
    location = await openTestRepository();
    const source = await startCluster({ name: 'round-trip-source', unsafeNoFsync: true });
    let id: string;
    try {
      await applyPlatform(source, { argoCrds: true });
      const api = await connect(source);
      await settledRevisions(api);
      id = await completeBackup(location, api);
      before = await dumpCluster(source);
      await api.close();
    } finally {
      await source.destroy();
    }
    cluster = await startCluster({ name: 'round-trip-target', unsafeNoFsync: true });
    const api = await connect(cluster);
    const outcome = await restore(await reader(location, id), recording(api, writes));
    expect(outcome.problems.filter(({ severity }) => severity === 'failed')).toEqual([]);
    expect(outcome.phase).toBe('Completed');
    await settledRevisions(api);
    after = await dumpCluster(cluster);
    await api.close();
  }, 400_000);
  afterAll(async () => {
    await cluster?.destroy();
    await location?.remove();
  });

  /** Pods that somebody owns are made anew, by other names. */
  const compared = (key: string): boolean => {
    const owned = key.startsWith('pods ') && (before.get(key)?.['metadata'] as Fields | undefined)?.['ownerReferences'] !== undefined;
    return !owned && !ignoredKinds.includes(key.split(' ')[0] ?? '') && !ignoredObjects.some(pattern => pattern.test(key));
  };

  it('is there', () => {
    expect(before.size).toBeGreaterThan(200);
    expect([...before.keys()].filter(key => compared(key) && !after.has(key))).toEqual(leftBehind);
  });

  it('is written in the order of the runbook, each step after the one before has ended', () => {
    const owned = ({ key }: Write) => (before.get(key)?.['metadata'] as Fields | undefined)?.['ownerReferences'] !== undefined;
    const seen = order.map(kinds => writes.filter(write => kinds.includes(write.key.split(' ')[0]!) && !owned(write)));
    for (const [i, written] of seen.entries()) {
      expect(written.length, String(order[i])).toBeGreaterThan(0);
      const earlier = seen.slice(0, i).flat();
      const last = Math.max(0, ...earlier.map(({ ended }) => ended));
      const early = written.filter(({ begun }) => begun < last).map(({ key }) => key);
      expect(early, `${order[i]} that were written before the steps ahead of them had ended`).toEqual([]);
    }
  });

  it('is the same, field by field', () => {
    const differing: string[] = [];
    for (const [key, object] of before) {
      const other = after.get(key);
      if (other === undefined || !compared(key)) continue;
      const [was, is] = [comparable(key, object), comparable(key, other)];
      if (was !== is) differing.push(firstDifference(key, was, is));
    }
    expect(differing).toEqual([]);
  });
});

function firstDifference(key: string, was: string, is: string): string {
  let at = 0;
  while (was[at] === is[at]) at++;
  return [key, was.slice(Math.max(0, at - 60), at + 80), is.slice(Math.max(0, at - 60), at + 80)].join('\n  ');
}
