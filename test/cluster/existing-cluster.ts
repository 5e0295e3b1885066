import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { untilAllowed } from './allowed.ts';
import { apiJson, createIfMissing } from './api-request.ts';
import type { ClusterOptions, TestCluster } from './cluster.ts';
import { makeGuardedDir } from './guarded-dir.ts';
import { type Access, writeKubeconfig } from './kubeconfig.ts';

const given = new Set<string>();

/**
 * A cluster from HOLDFAST_TEST_KUBECONFIG, a list of paths separated like PATH: each serves one test cluster at a time. Undefined when
 * the list is used up, or when the options ask for what only a cluster of our own can give.
 */
export async function takeExistingCluster(options: ClusterOptions): Promise<TestCluster | undefined> {
  if (options.node || options.users || options.apiServerArgs || options.controllers === false) return undefined;
  const paths = (process.env.HOLDFAST_TEST_KUBECONFIG ?? '').split(delimiter).filter(Boolean);
  const path = paths.find(candidate => !given.has(candidate));
  if (path === undefined) return undefined;
  given.add(path);
  try {
    return await existingCluster(path, options.name ?? 'existing');
  } catch (thrown) {
    given.delete(path);
    throw new Error(`HOLDFAST_TEST_KUBECONFIG: ${path}: ${(thrown as Error).message}`, { cause: thrown });
  }
}

async function existingCluster(path: string, name: string): Promise<TestCluster> {
  const dir = await makeGuardedDir(`holdfast-${name}-`);
  try {
    const connection = await connectWith(path, dir.path, name);
    const refuse = async () => {
      throw new Error(`${path}: the API server of an existing cluster is not ours to stop`);
    };
    const destroy = async () => {
      await dir.remove();
      given.delete(path);
    };
    const stop = async () => {};
    return { ...connection, kind: 'existing', name, dir: dir.path, stopApiServer: refuse, startApiServer: refuse, stop, destroy };
  } catch (thrown) {
    await dir.remove();
    throw thrown;
  }
}

export type Connection = Pick<TestCluster, 'kubeconfig' | 'server' | 'token' | 'caFile'>;

/** What tests need of a cluster, from the kubeconfig that came with it; a token is issued where that has none. Files go to `dir`. */
export async function connectWith(path: string, dir: string, name: string): Promise<Connection> {
  const access = await accessFrom(path, join(dir, 'ca.crt'));
  const token = access.clientCertificate ? await issueToken(access) : access.token;
  const kubeconfig = join(dir, 'admin.kubeconfig');
  await writeKubeconfig(kubeconfig, name, { ...access, token });
  return { kubeconfig, server: access.server, token, caFile: access.caFile };
}

interface Kubeconfig {
  readonly 'current-context': string;
  readonly clusters: readonly { readonly name: string; readonly cluster: Readonly<Record<string, string>> }[];
  readonly users: readonly { readonly name: string; readonly user: Readonly<Record<string, string>> }[];
  readonly contexts: readonly { readonly name: string; readonly context: { readonly cluster: string; readonly user: string } }[];
}

/** The current context, from a token or a client certificate; a credential plugin is not run. */
async function accessFrom(path: string, caFile: string): Promise<Access> {
  const config = parse(await readFile(path, 'utf8')) as Kubeconfig;
  const context = config.contexts.find(entry => entry.name === config['current-context'])?.context;
  const cluster = config.clusters.find(entry => entry.name === context?.cluster)?.cluster;
  const user = config.users.find(entry => entry.name === context?.user)?.user;
  if (!cluster?.server || !user) throw new Error('the current context names no cluster or no user');
  const pem = async (entry: Readonly<Record<string, string>>, key: string) => {
    const data = entry[`${key}-data`];
    if (data) return Buffer.from(data, 'base64').toString();
    return entry[key] ? readFile(resolve(dirname(path), entry[key]), 'utf8') : undefined;
  };
  const ca = await pem(cluster, 'certificate-authority');
  if (!ca) throw new Error('the cluster has no certificate authority');
  await writeFile(caFile, ca);
  const token = user.token ?? (user.tokenFile ? (await readFile(user.tokenFile, 'utf8')).trim() : undefined);
  if (token) return { server: cluster.server, token, caFile };
  const [cert, key] = [await pem(user, 'client-certificate'), await pem(user, 'client-key')];
  if (!cert || !key) throw new Error('the user has neither a token nor a client certificate');
  return { server: cluster.server, token: '', caFile, clientCertificate: { cert, key } };
}

/** Tests pass a token around, and the usual kubeconfig of a local cluster has a certificate: an account with all rights gets one for a day. */
async function issueToken(access: Access): Promise<string> {
  const name = 'holdfast-tests';
  const namespace = 'kube-system';
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await createIfMissing(access, accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
  await createIfMissing(access, '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  });
  await untilAllowed(access, { user: `system:serviceaccount:${namespace}:${name}` }, { resource: 'secrets', verb: 'list' });
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 86_400 } };
  const answer = await apiJson<{ status: { token: string } }>(access, `${accounts}/${name}/token`, { method: 'POST', body });
  return answer.status.token;
}
