import { createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi, ItemBatch, ListOptions, ListResult } from '../../src/cluster/cluster-api.ts';
import type { Connection } from '../../src/cluster/connection.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import type { TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { testRuntime } from '../helpers/runtime.ts';

export function kindOf(group: string, version: string, resource: string, kind: string, namespaced: boolean): ResourceKind {
  return {
    group,
    version,
    resource,
    kind,
    namespaced,
    verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: [],
  };
}

export const namespaces = kindOf('', 'v1', 'namespaces', 'Namespace', false);
export const configMaps = kindOf('', 'v1', 'configmaps', 'ConfigMap', true);
export const definitions = kindOf('apiextensions.k8s.io', 'v1', 'customresourcedefinitions', 'CustomResourceDefinition', false);
export const apiServices = kindOf('apiregistration.k8s.io', 'v1', 'apiservices', 'APIService', false);

export async function connectionTo(cluster: TestCluster): Promise<Connection> {
  return loadCluster({ kubeconfig: cluster.kubeconfig, environment: {} }, testRuntime);
}

/** As the administrator, or as the owner of a bearer token. */
export async function connectTo(cluster: TestCluster, token?: string): Promise<ClusterApi> {
  const connection = await connectionTo(cluster);
  const credentials = async () => ({ headers: { authorization: `Bearer ${token}` } });
  return createClusterApi(token === undefined ? connection : { ...connection, credentials }, { runtime: testRuntime });
}

/** All items of a list as text. */
export async function itemsOf(
  api: ClusterApi,
  kind: ResourceKind,
  options: ListOptions = {},
): Promise<ListResult & { readonly texts: string[] }> {
  const texts: string[] = [];
  const result = await api.list(kind, batch => void texts.push(...textsOf(batch)), options);
  return { ...result, texts };
}

export function textsOf({ buffer, ends }: ItemBatch): string[] {
  return ends.map((end, i) => Buffer.from(buffer.subarray(i === 0 ? 0 : ends[i - 1], end)).toString('utf8'));
}

export function nameIn(text: string): string {
  return (JSON.parse(text) as { metadata: { name: string } }).metadata.name;
}

/** Defines a kind that keeps whatever fields it is given, in the named versions, the last one stored; returns when objects can be written. */
export async function defineKind(
  api: ClusterApi,
  plural: string,
  kind: string,
  versions: readonly string[],
  group = 'test.io',
): Promise<ResourceKind> {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const spec = {
    group,
    scope: 'Namespaced',
    names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
    versions: versions.map((name, i) => ({ name, served: true, storage: i === versions.length - 1, schema, subresources: { status: {} } })),
  };
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec,
  };
  await api.create(definitions, '', JSON.stringify(definition));
  const defined = kindOf(group, versions[0] ?? '', plural, kind, true);
  await waitFor(`${plural}.${group} is served`, async () => (await api.list(defined, () => {}, { limit: 1 })) !== undefined, {
    timeoutMs: 90_000,
  });
  return defined;
}

/** Many at once, each waited for. */
export async function inParallel(count: number, workers: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      await work(next - 1);
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
}
