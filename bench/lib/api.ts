import { readFile } from 'node:fs/promises';
import { Pool } from 'undici';
import { parse } from 'yaml';

/** An API server by plain HTTPS, apart from the client that is measured. */
export interface Api {
  readonly pool: Pool;
  readonly headers: Readonly<Record<string, string>>;
  /** The answer's JSON. Throws on any status but 2xx. */
  json<T>(path: string, options?: ApiCall): Promise<T>;
  /** Undefined where there is none. */
  find<T>(path: string): Promise<T | undefined>;
  close(): Promise<void>;
}

export interface ApiCall {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly accept?: string;
  readonly contentType?: string;
}

interface Kubeconfig {
  readonly clusters: readonly { cluster: { server: string; 'certificate-authority-data': string } }[];
  readonly users: readonly { user: { token: string } }[];
}

/** Opens the cluster of a test's kubeconfig: one context, a token, the authority inside. */
export async function openApi(kubeconfig: string, connections: number): Promise<Api> {
  const config = parse(await readFile(kubeconfig, 'utf8')) as Kubeconfig;
  const { server, 'certificate-authority-data': authority } = config.clusters[0]!.cluster;
  const ca = Buffer.from(authority, 'base64').toString();
  const pool = new Pool(server, {
    connections,
    pipelining: 1,
    allowH2: false,
    connect: { ca },
    headersTimeout: 120_000,
    bodyTimeout: 120_000,
  });
  const headers = { authorization: `Bearer ${config.users[0]!.user.token}`, accept: 'application/json' };
  const call = async (path: string, { method = 'GET', body, accept, contentType = 'application/json' }: ApiCall = {}) => {
    const answer = await pool.request({
      path,
      method,
      headers: { ...headers, ...(accept ? { accept } : {}), ...(body === undefined ? {} : { 'content-type': contentType }) },
      body: body === undefined ? null : JSON.stringify(body),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  };
  return {
    pool,
    headers,
    json: async <T>(path: string, options?: ApiCall) => {
      const { status, text } = await call(path, options);
      if (status < 200 || status > 299) throw new Error(`${options?.method ?? 'GET'} ${path}: ${status} ${text.slice(0, 500)}`);
      return JSON.parse(text) as T;
    },
    find: async <T>(path: string) => {
      const { status, text } = await call(path);
      if (status === 404) return undefined;
      if (status !== 200) throw new Error(`GET ${path}: ${status} ${text.slice(0, 500)}`);
      return JSON.parse(text) as T;
    },
    close: () => pool.destroy(),
  };
}

/** A kind as discovery describes it. */
export interface ServedKind {
  /** `argoproj.io/v1alpha1` */
  readonly apiVersion: string;
  readonly kind: string;
  readonly resource: string;
  readonly group: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

interface DiscoveryList {
  readonly items: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions: readonly {
      readonly version: string;
      readonly resources?: readonly { resource: string; scope: string; verbs: string[]; responseKind: { kind: string } }[];
    }[];
  }[];
}

/** Every kind in the preferred version of its group. */
export async function servedKinds(api: Api): Promise<ServedKind[]> {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const lists = await Promise.all(['/api', '/apis'].map(root => api.json<DiscoveryList>(root, { accept })));
  const kinds = new Map<string, ServedKind>();
  for (const item of lists.flatMap(list => list.items)) {
    const group = item.metadata?.name ?? '';
    for (const { version, resources = [] } of item.versions) {
      const apiVersion = group === '' ? version : `${group}/${version}`;
      for (const { resource, scope, verbs, responseKind } of resources) {
        const key = `${resource}.${group}`;
        if (!kinds.has(key)) {
          kinds.set(key, { apiVersion, group, resource, kind: responseKind.kind, namespaced: scope === 'Namespaced', verbs });
        }
      }
    }
  }
  return [...kinds.values()];
}

/** `/apis/<group>/<version>[/namespaces/<namespace>]/<resource>` */
export function collectionPath(kind: Pick<ServedKind, 'apiVersion' | 'resource'>, namespace = ''): string {
  const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
  return `${root}${namespace === '' ? '' : `/namespaces/${namespace}`}/${kind.resource}`;
}
