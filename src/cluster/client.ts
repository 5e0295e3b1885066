import { HoldfastError } from '../domain/errors.ts';
import { stringAt } from '../domain/json.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ClusterApi } from './cluster-api.ts';
import type { Connection } from './connection.ts';
import { discover } from './discovery.ts';
import { listKind } from './list.ts';
import { readJson } from './read-json.ts';
import { defaultRetry, type RetryPolicy } from './retry.ts';
import { createTransport, type Transport } from './transport.ts';
import { watchKind } from './watch.ts';
import { createObject, deleteObject, getObject, patchObject, updateObject } from './write.ts';

export interface ClusterApiOptions {
  readonly runtime: Runtime;
  /** Short calls at a time; lists and watches have connections of their own. 40 when absent. */
  readonly connections?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly userAgent?: string;
}

/** The port to a cluster over HTTP/1.1. Opens no connection before the first call; `close` ends those in use. */
export function createClusterApi(connection: Connection, options: ClusterApiOptions): ClusterApi {
  const transport = createTransport(connection, {
    runtime: options.runtime,
    retry: { ...defaultRetry, ...options.retry },
    connections: options.connections ?? 40,
    userAgent: options.userAgent ?? 'holdfast',
  });
  return {
    server: transport.server,
    version: (call = {}) => serverVersion(transport, call.signal),
    discover: (call = {}) => discover(transport, call),
    list: (kind, sink, call = {}) => listKind(transport, kind, sink, call),
    watch: (kind, call) => watchKind(transport, kind, call),
    get: (kind, namespace, name, call = {}) => getObject(transport, kind, namespace, name, call),
    create: (kind, namespace, body, call = {}) => createObject(transport, kind, namespace, body, call),
    update: (kind, namespace, name, body, call = {}) => updateObject(transport, kind, namespace, name, body, call),
    patch: (kind, namespace, name, patch, call = {}) => patchObject(transport, kind, namespace, name, patch, call),
    delete: (kind, namespace, name, call = {}) => deleteObject(transport, kind, namespace, name, call),
    close: () => transport.close(),
  };
}

async function serverVersion(transport: Transport, signal: AbortSignal | undefined): Promise<string> {
  const version = stringAt(await readJson(transport, '/version', signal), 'gitVersion');
  if (version !== undefined) return version;
  throw new HoldfastError('CLUSTER_ERROR', `${transport.server} is no Kubernetes API server: GET /version gave no gitVersion`);
}
