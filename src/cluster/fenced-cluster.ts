import type { Fence } from '../domain/fence.ts';
import type { ClusterApi } from './cluster-api.ts';

/** The same cluster, whose create, update, patch and delete ask the fence first and fail with NOT_LEADER; a dry run does too. Reads pass. */
export function fencedCluster(cluster: ClusterApi, fence: Fence): ClusterApi {
  return {
    server: cluster.server,
    version: options => cluster.version(options),
    discover: options => cluster.discover(options),
    list: (kind, sink, options) => cluster.list(kind, sink, options),
    watch: (kind, options) => cluster.watch(kind, options),
    get: (kind, namespace, name, options) => cluster.get(kind, namespace, name, options),
    create: async (kind, namespace, body, options) => {
      fence.check();
      return await cluster.create(kind, namespace, body, options);
    },
    update: async (kind, namespace, name, body, options) => {
      fence.check();
      return await cluster.update(kind, namespace, name, body, options);
    },
    patch: async (kind, namespace, name, patch, options) => {
      fence.check();
      return await cluster.patch(kind, namespace, name, patch, options);
    },
    delete: async (kind, namespace, name, options) => {
      fence.check();
      await cluster.delete(kind, namespace, name, options);
    },
    close: () => cluster.close(),
  };
}
