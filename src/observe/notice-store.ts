import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { ResourceKind } from '../domain/resource.ts';

/** Where it is remembered what people were told, so that a restart is no reason to tell it again, nor to forget a recovery. */
export interface NoticeStore {
  /** Undefined where nothing was saved. CLUSTER_ codes. */
  load(signal: AbortSignal): Promise<string | undefined>;
  /** Replaces what was saved. CLUSTER_ codes, NOT_LEADER. */
  save(text: string, signal: AbortSignal): Promise<void>;
}

const configMaps: ResourceKind = {
  ...{ group: '', version: 'v1', resource: 'configmaps', kind: 'ConfigMap' },
  ...{ namespaced: true, verbs: ['get', 'patch'], subresources: [] },
};
const entry = 'state.json';

/** A ConfigMap of the service’s own; made when first needed. Takes get, create and patch of that one. */
export function createNoticeStore(
  cluster: Pick<ClusterApi, 'get' | 'patch'>,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): NoticeStore {
  return {
    load: async signal => {
      const json = await cluster.get(configMaps, namespace, name, { signal });
      return json === undefined ? undefined : (JSON.parse(json) as { data?: Record<string, string> }).data?.[entry];
    },
    save: async (text, signal) => {
      const metadata = { name, namespace, labels: { 'app.kubernetes.io/name': 'holdfast', 'holdfast.dev/state': 'notices' } };
      const body = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { [entry]: text } });
      await cluster.patch(configMaps, namespace, name, { type: 'apply', body, force: true }, { signal });
    },
  };
}
