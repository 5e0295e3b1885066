import { afterAll, beforeAll } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from './journey.ts';
import { getObject, kindOf } from './restore.ts';

export const namespaces = kindOf('namespaces/v1 Namespace', false);
export const configMaps = kindOf('configmaps/v1 ConfigMap');
export const widgets = kindOf('widgets.example.com/v1 Widget status');
const accounts = kindOf('serviceaccounts/v1 ServiceAccount');
export const definitions = kindOf('customresourcedefinitions.apiextensions.k8s.io/v1 CustomResourceDefinition', false);

export const inNamespaces = (...names: string[]): Selection => ({ ...everything, includeNamespaces: names });

/** A living cluster with a real controller manager and a repository, and what tests of restores of one or two namespaces do with them. */
export interface RestoreLab {
  readonly api: ClusterApi;
  make(kind: ResourceKind, object: JsonObject, fieldManager?: string): Promise<JsonObject>;
  /** A namespace with some configmaps, once its default service account is there. */
  makeNamespace(name: string, data?: Readonly<Record<string, string>>): Promise<void>;
  /** The kind `widgets`, once it is served; what was defined of it before is to be removed by then. */
  defineWidgets(versions: readonly string[]): Promise<void>;
  backUp(selection: Selection): Promise<SetReader>;
  /** Deletes an object, and waits until it is gone. */
  remove(kind: ResourceKind, namespace: string, name: string): Promise<void>;
  /** What a configmap holds under `value`. */
  value(namespace: string, name: string): Promise<string | undefined>;
  /** Of a configmap. */
  uid(namespace: string, name: string): Promise<string | undefined>;
}

/** For all tests of the calling `describe`: up before the first, gone after the last. Call the result inside tests. */
export function withRestoreLab(name: string): () => RestoreLab {
  let cluster: TestCluster | undefined;
  let location: OpenLocation | undefined;
  let lab: RestoreLab | undefined;
  beforeAll(async () => {
    cluster = await startCluster({ name, unsafeNoFsync: true });
    location = await openTestRepository();
    lab = restoreLab(await connect(cluster), location);
  });
  afterAll(async () => {
    await lab?.api.close();
    await cluster?.destroy();
    await location?.remove();
  });
  return () => {
    if (lab === undefined) throw new Error('the cluster is up only while tests run');
    return lab;
  };
}

function restoreLab(api: ClusterApi, location: OpenLocation): RestoreLab {
  const make: RestoreLab['make'] = async (kind, object, fieldManager = 'author') => {
    const { group, version } = kind;
    const whole = { apiVersion: group === '' ? version : `${group}/${version}`, kind: kind.kind, ...object };
    const namespace = stringAt(object, 'metadata', 'namespace') ?? '';
    return parseJson(await api.create(kind, namespace, JSON.stringify(whole), { fieldManager })) as JsonObject;
  };
  return {
    ...{ api, make },
    makeNamespace: async (name, data = {}) => {
      await make(namespaces, { metadata: { name, labels: { team: name } } });
      for (const [key, value] of Object.entries(data))
        await make(configMaps, { metadata: { name: key, namespace: name, labels: { app: key } }, data: { value } });
      await waitFor('the default service account', async () => (await api.get(accounts, name, 'default')) !== undefined, {
        timeoutMs: 60_000,
      });
    },
    defineWidgets: async versions => {
      const served = async () => (await api.discover()).kinds.some(kind => kind.resource === 'widgets');
      await waitFor('no widgets of before', async () => !(await served()), { timeoutMs: 60_000 });
      await make(definitions, {
        metadata: { name: 'widgets.example.com' },
        spec: {
          group: 'example.com',
          scope: 'Namespaced',
          names: { kind: 'Widget', listKind: 'WidgetList', plural: 'widgets', singular: 'widget' },
          versions: versions.map((name, i) => ({
            name,
            served: true,
            storage: i === 0,
            subresources: { status: {} },
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          })),
        },
      });
      await waitFor('widgets served', served, { timeoutMs: 60_000 });
    },
    backUp: async selection => reader(location, await completeBackup(location, api, selection)),
    remove: async (kind, namespace, name) => {
      await api.delete(kind, namespace, name);
      await waitFor(`${name} gone`, async () => (await api.get(kind, namespace, name)) === undefined, { timeoutMs: 60_000 });
    },
    value: async (namespace, name) => stringAt(await getObject(api, configMaps, namespace, name), 'data', 'value'),
    uid: async (namespace, name) => stringAt(await getObject(api, configMaps, namespace, name), 'metadata', 'uid'),
  };
}
