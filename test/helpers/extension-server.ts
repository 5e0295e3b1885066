import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { apiJson } from '../cluster/api-request.ts';
import type { Access } from '../cluster/kubeconfig.ts';
import { selfSigned } from './self-signed.ts';

export interface ExtensionOptions {
  /** `metrics.example.com` */
  readonly group: string;
  /** `gauges` and `Gauge`, namespaced. */
  readonly resource: string;
  readonly kind: string;
  /** The items of its list, as JSON. */
  readonly items: readonly string[];
  /** `metadata.resourceVersion` of its list. */
  readonly revision: () => string;
}

/**
 * An extension API server of one kind, registered with the cluster's aggregator: it keeps its objects itself and counts revisions by itself.
 * Without a node nothing has an address in the cluster, so its service leads to this machine by name.
 */
export async function startExtensionServer(access: Access, options: ExtensionOptions): Promise<{ stop(): Promise<void> }> {
  const { group, resource } = options;
  const host = `${resource}.default.svc`;
  const { cert, key } = await selfSigned(host);
  const server = createServer({ cert, key }, (request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const body = bodyOf(options, path);
    // It has never heard of the revisions of the cluster.
    const status = /resourceVersion=[1-9]/.test(query) ? 410 : 200;
    response.writeHead(body === undefined ? 404 : status, { 'content-type': 'application/json' }).end(body ?? '{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const name = `v1.${group}`;
  const services = '/api/v1/namespaces/default/services';
  const registrations = '/apis/apiregistration.k8s.io/v1/apiservices';
  await apiJson(access, services, {
    method: 'POST',
    body: { metadata: { name: resource }, spec: { type: 'ExternalName', externalName: 'localhost' } },
  });
  const spec = {
    ...{ group, version: 'v1', groupPriorityMinimum: 100, versionPriority: 100 },
    ...{ caBundle: cert.toString('base64'), service: { namespace: 'default', name: resource, port } },
  };
  await apiJson(access, registrations, { method: 'POST', body: { metadata: { name }, spec } });
  return {
    stop: async () => {
      await apiJson(access, `${registrations}/${name}`, { method: 'DELETE' });
      await apiJson(access, `${services}/${resource}`, { method: 'DELETE' });
      server.closeAllConnections();
      server.close();
    },
  };
}

function bodyOf({ group, resource, kind, items, revision }: ExtensionOptions, path: string): string | undefined {
  const groupVersion = `${group}/v1`;
  if (path === `/apis/${groupVersion}`) {
    const described = { name: resource, singularName: kind.toLowerCase(), namespaced: true, kind, verbs: ['get', 'list', 'create'] };
    return JSON.stringify({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [described] });
  }
  if (path !== `/apis/${groupVersion}/${resource}`) return undefined;
  const head = JSON.stringify({ kind: `${kind}List`, apiVersion: groupVersion, metadata: { resourceVersion: revision() } });
  return `${head.slice(0, -1)},"items":[${items.join(',')}]}`;
}
