import { access, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Runtime } from '../domain/runtime.ts';
import type { Connection } from './connection.ts';
import { type Authentication, staticUser, tokenFileUser } from './credentials.ts';
import {
  checkAuthority,
  checkKeyPair,
  type Entry,
  invalid,
  type Kubeconfig,
  pathIn,
  pemOf,
  readFailure,
  readKubeconfig,
  textOf,
} from './kubeconfig-file.ts';
import { pluginUser } from './plugin-credentials.ts';

export interface ClusterLocation {
  /** From `--kubeconfig`. */
  readonly kubeconfig?: string;
  /** From `--context`; the file's current context when absent. */
  readonly context?: string;
  /** The process's environment, as far as it says where a cluster is. */
  readonly environment: {
    /** One or more paths, separated as `PATH` is. */
    readonly KUBECONFIG?: string | undefined;
    readonly HOME?: string | undefined;
    readonly KUBERNETES_SERVICE_HOST?: string | undefined;
    readonly KUBERNETES_SERVICE_PORT?: string | undefined;
  };
  /** Where a pod finds its token and CA. */
  readonly serviceAccount?: string;
  /** How long a credential plugin may take, milliseconds; a minute when absent. */
  readonly pluginTimeoutMs?: number | undefined;
}

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Finds the cluster in kubectl's order: the named file, `KUBECONFIG`, `~/.kube/config`, the pod's service account.
 * Opens no connection. KUBECONFIG_INVALID says which file, which context and why.
 */
export async function loadCluster(location: ClusterLocation, runtime: Pick<Runtime, 'now'>): Promise<Connection> {
  const { environment } = location;
  if (location.kubeconfig !== undefined) return fromFiles([location.kubeconfig], true, location, runtime);
  const listed = (environment.KUBECONFIG ?? '').split(delimiter).filter(path => path !== '');
  if (listed.length > 0) return fromFiles(listed, false, location, runtime);
  const home = environment.HOME === undefined || environment.HOME === '' ? undefined : join(environment.HOME, '.kube', 'config');
  if (home !== undefined && (await exists(home))) return fromFiles([home], true, location, runtime);
  if (environment.KUBERNETES_SERVICE_HOST !== undefined && location.context === undefined) return inCluster(location, runtime);
  const tried = ['--kubeconfig', 'KUBECONFIG', ...(home === undefined ? [] : [home]), 'a service account of a pod'];
  throw invalid(`no cluster is configured: looked for ${tried.join(', ')}`);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function fromFiles(
  files: readonly string[],
  strict: boolean,
  location: ClusterLocation,
  runtime: Pick<Runtime, 'now'>,
): Promise<Connection> {
  const config = await readKubeconfig(files, strict);
  const name = location.context ?? config.currentContext;
  if (name === undefined)
    throw invalid(`kubeconfig ${config.source}: no current-context is set and none was named; it has ${known(config.contexts)}`);
  const chosen = config.contexts.get(name);
  if (chosen === undefined) throw invalid(`kubeconfig ${config.source}: no context ${name}; it has ${known(config.contexts)}`);
  const cluster = entryOf(config, 'cluster', chosen, name);
  const userName = textOf(chosen, 'user');
  const user = userName === undefined ? undefined : entryOf(config, 'user', chosen, name);
  const base = await clusterPart(cluster, `cluster ${textOf(chosen, 'cluster')} of context ${name}`);
  const authentication = await userPart(user, userName ?? '', { ...base, pluginTimeoutMs: location.pluginTimeoutMs }, runtime);
  return { ...base, context: name, namespace: textOf(chosen, 'namespace') ?? 'default', ...authentication };
}

function known(entries: ReadonlyMap<string, unknown>): string {
  return entries.size === 0 ? 'no contexts' : [...entries.keys()].join(', ');
}

function entryOf(config: Kubeconfig, key: 'cluster' | 'user', context: Entry, contextName: string): Entry {
  const name = textOf(context, key);
  if (name === undefined) throw invalid(`kubeconfig ${context.file}: context ${contextName} names no ${key}`);
  const entry = (key === 'cluster' ? config.clusters : config.users).get(name);
  if (entry === undefined) throw invalid(`kubeconfig ${config.source}: context ${contextName} names ${key} ${name}, which is not there`);
  return entry;
}

async function clusterPart(entry: Entry, what: string): Promise<Pick<Connection, 'server' | 'tls' | 'proxyUrl'>> {
  const server = textOf(entry, 'server');
  if (server === undefined) throw invalid(`kubeconfig ${entry.file}: ${what} has no server`);
  if (!/^https?:$/.test(urlOf(server, entry, what).protocol))
    throw invalid(`kubeconfig ${entry.file}: server of ${what} is no http(s) address`);
  const ca = await pemOf(entry, 'certificate-authority', what);
  if (ca !== undefined) checkAuthority(entry, ca, what);
  const servername = textOf(entry, 'tls-server-name');
  const proxyUrl = textOf(entry, 'proxy-url');
  if (proxyUrl !== undefined) urlOf(proxyUrl, entry, what);
  return {
    server: server.replace(/\/+$/, ''),
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(servername === undefined ? {} : { servername }),
      ...(entry.value['insecure-skip-tls-verify'] === true ? { insecure: true } : {}),
    },
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
  };
}

function urlOf(text: string, entry: Entry, what: string): URL {
  if (!URL.canParse(text)) throw invalid(`kubeconfig ${entry.file}: server or proxy-url of ${what} is not an address`);
  return new URL(text);
}

async function userPart(
  user: Entry | undefined,
  name: string,
  at: Pick<Connection, 'server' | 'tls'> & Pick<ClusterLocation, 'pluginTimeoutMs'>,
  runtime: Pick<Runtime, 'now'>,
): Promise<Authentication> {
  if (user === undefined) return staticUser({ headers: {} });
  const what = `user ${name}`;
  const headers = impersonation(user, what);
  const cert = await pemOf(user, 'client-certificate', what);
  const key = await pemOf(user, 'client-key', what);
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid(
      `kubeconfig ${user.file}: ${what} has a client ${cert === undefined ? 'key without a certificate' : 'certificate without a key'}`,
    );
  }
  if (cert !== undefined && key !== undefined) checkKeyPair(user, cert, key, what);
  const certificate = cert === undefined || key === undefined ? {} : { cert, key };
  const token = textOf(user, 'token');
  const tokenFile = textOf(user, 'tokenFile');
  // kubectl prefers the file, which may be renewed, and falls back on the token.
  if (tokenFile !== undefined) return tokenFileUser({ file: pathIn(user, tokenFile), headers, ...certificate }, runtime);
  if (token !== undefined) return staticUser({ headers: { ...headers, authorization: `Bearer ${token}` }, ...certificate });
  const username = textOf(user, 'username');
  if (username !== undefined) {
    const basic = Buffer.from(`${username}:${textOf(user, 'password') ?? ''}`).toString('base64');
    return staticUser({ headers: { ...headers, authorization: `Basic ${basic}` }, ...certificate });
  }
  if (user.value.exec !== undefined || user.value['auth-provider'] !== undefined) {
    return pluginUser({ user, name, server: at.server, tls: at.tls, headers, timeoutMs: at.pluginTimeoutMs }, runtime);
  }
  return staticUser({ headers, ...certificate });
}

function impersonation(user: Entry, what: string): Record<string, string | string[]> {
  const [as, uid] = [textOf(user, 'as'), textOf(user, 'as-uid')];
  const groups = user.value['as-groups'];
  const extra = user.value['as-user-extra'];
  if (as === undefined) {
    const [alone] = ['as-uid', 'as-groups', 'as-user-extra'].filter(field => user.value[field] !== undefined);
    if (alone === undefined) return {};
    throw invalid(`kubeconfig ${user.file}: ${what} has ${alone} without as: there is nobody to be impersonated`);
  }
  const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter(text => typeof text === 'string') : []);
  const extras = typeof extra === 'object' && extra !== null ? Object.entries(extra) : [];
  return {
    'impersonate-user': as,
    ...(uid === undefined ? {} : { 'impersonate-uid': uid }),
    ...(Array.isArray(groups) ? { 'impersonate-group': texts(groups) } : {}),
    ...Object.fromEntries(extras.map(([key, value]) => [`impersonate-extra-${encodeURIComponent(key.toLowerCase())}`, texts(value)])),
  };
}

async function inCluster(location: ClusterLocation, runtime: Pick<Runtime, 'now'>): Promise<Connection> {
  const directory = location.serviceAccount ?? serviceAccountDirectory;
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = location.environment;
  const read = async (file: string) =>
    readFile(join(directory, file), 'utf8').catch((thrown: unknown) => {
      throw invalid(`in-cluster: ${join(directory, file)}: ${readFailure(thrown)}`, thrown);
    });
  const ca = await read('ca.crt');
  const authentication = await tokenFileUser({ file: join(directory, 'token'), headers: {} }, runtime);
  const namespace = (await read('namespace').catch(() => 'default')).trim();
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { server, context: 'in-cluster', namespace, tls: { ca }, ...authentication };
}
