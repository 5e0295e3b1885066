import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { untilAllowed } from '../cluster/allowed.ts';
import { apiJson, apiRequest, type KubeObject } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { writeKubeconfig } from '../cluster/kubeconfig.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { having } from '../helpers/having.ts';
import { commandsUnder, cutAt, manifests, manifestsDir, prepareCheckout, type ShellRun, shell } from '../helpers/installed.ts';
import { type AuditedRequest, auditedRequests, auditPolicy, rightsIn, rightText, unused } from '../helpers/rights.ts';
import { type Served, serveFrom } from '../helpers/serve-process.ts';

const account = 'system:serviceaccount:holdfast:holdfast';
/** What the grant to restore gives. */
const anything = { group: '*', resource: '*', verb: 'create' };

/** Rights that a request has whose use the API server’s log does not tell of, and why it has them. */
const explained: Readonly<Record<string, string>> = {
  'Role holdfast/holdfast-leader: create configmaps holdfast-notices':
    'asked for when the patch of an apply finds nothing; the log has the patch',
  'ClusterRole holdfast-restore: escalate roles.rbac.authorization.k8s.io': 'asked for within a create: see the roles that come back',
  'ClusterRole holdfast-restore: escalate clusterroles.rbac.authorization.k8s.io': 'the same',
  'ClusterRole holdfast-restore: bind roles.rbac.authorization.k8s.io': 'asked for within the create of a binding',
  'ClusterRole holdfast-restore: bind clusterroles.rbac.authorization.k8s.io': 'the same',
};

/** Applies what is in deploy/kubernetes with the commands of docs/install.md, and runs the service as the account that they make and nobody else. */
having('openssl').describe('the manifests', () => {
  let dir: string;
  let cluster: TestCluster;
  let service: Served;
  const auditLog = () => join(dir, 'audit.log');
  const requests = () => auditedRequests(auditLog());

  beforeAll(async () => {
    dir = await tempDir('install');
    await prepareCheckout(dir);
    await writeFile(join(dir, 'audit.yaml'), auditPolicy(account));
    await writeFile(join(dir, 's3.env'), 'AWS_ACCESS_KEY_ID=unused\nAWS_SECRET_ACCESS_KEY=unused\n');
    const apiServerArgs = [`--audit-policy-file=${join(dir, 'audit.yaml')}`, `--audit-log-path=${auditLog()}`];
    cluster = await startCluster({ name: 'install', unsafeNoFsync: true, apiServerArgs });
    for (const object of protectedObjects) await ran(`kubectl create -f - <<< '${JSON.stringify(object)}'`);
  });
  afterAll(async () => {
    service?.signal('SIGKILL');
    await cluster?.destroy();
  });

  const run = (commands: string): Promise<ShellRun> => {
    const env = {
      ...{ KUBECONFIG: cluster.kubeconfig, HOLDFAST_LOCATION: `file://${join(dir, 'repository')}` },
      ...(service !== undefined && { HOLDFAST_SERVER_URL: service.url, HOLDFAST_SERVER_CA_FILE: 'tls.crt' }),
    };
    return shell(dir, commands, env);
  };
  async function ran(commands: string): Promise<string> {
    const { exit, said } = await run(commands);
    expect(exit, said).toBe(0);
    return said;
  }
  const get = (path: string) => apiJson<KubeObject>(cluster, path);
  const token = async (name: string) => (await ran(`kubectl create token ${name} -n ops --audience holdfast`)).trim();
  const ask = (bearer: string, path: string, body?: object) =>
    apiRequest({ server: service.url, token: bearer, caFile: join(dir, 'tls.crt') }, path, {
      ...(body !== undefined && { method: 'POST' as const, body }),
    });

  it('say nothing that an API server does not know', async () => {
    await ran('kubectl apply --server-side -f deploy/kubernetes/namespaces.yaml');
    const said = await ran(`for what in "-k deploy/kubernetes" "-f deploy/kubernetes/grants" "-f deploy/kubernetes/secrets.example.yaml"; do
      kubectl apply --server-side --validate=strict --dry-run=server $what; done`);
    // Of the certificate, which is left empty.
    expect(said.match(/^warning.*/gim)).toEqual([expect.stringContaining('PEM')]);
    expect(said.match(/serverside-applied/g)?.length).toBeGreaterThan(35);
  });

  it('are applied with the commands of docs/install.md, and their pods are let in', async () => {
    for (const heading of ['Keys and repository', 'Secrets']) {
      await ran((await commandsUnder(heading)).replaceAll('DNS:localhost', 'DNS:localhost,IP:127.0.0.1'));
    }
    // What looks at its pods is for where they run.
    const [apply] = cutAt(await commandsUnder('Apply'), 'kubectl rollout');
    await ran(apply);
    const pods = await waitFor(
      'two pods are made',
      async () => {
        const { items } = (await get('/api/v1/namespaces/holdfast/pods')) as unknown as { items: KubeObject[] };
        return items.length === 2 && items;
      },
      { timeoutMs: 60_000, intervalMs: 200 },
    );
    expect(pods.map(({ status }) => status)).toMatchObject([{ phase: 'Pending' }, { phase: 'Pending' }]);
    const privileged = { metadata: { name: 'root' }, spec: { containers: [{ name: 'root', image: 'x' }] } };
    const refused = await apiRequest(cluster, '/api/v1/namespaces/holdfast/pods', { method: 'POST', body: privileged });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('violates PodSecurity')]);
  });

  it('start a service that leads and serves, as their account alone', async () => {
    service = await startAsDeployed();
    await service.said('leading', 120_000);
    const lease = await get('/apis/coordination.k8s.io/v1/namespaces/holdfast/leases/holdfast');
    expect(lease['spec']).toMatchObject({ holderIdentity: 'holdfast-0' });
    for (const [path, port] of await probes()) {
      expect(port).toBe('api');
      const answered = async () => (await ask('', path)).status === 200;
      await waitFor(`${path} is answered`, answered, { timeoutMs: 60_000, intervalMs: 200 });
    }
    expect(await (await fetch(service.metricsUrl)).text()).toContain('holdfast_leader 1');
  });

  it('let callers in by their roles, and nobody else', async () => {
    await ran(await commandsUnder('Who may call'));
    for (const name of ['stranger', 'viewer']) await ran(`kubectl create serviceaccount ${name} -n ops`);
    await ran('kubectl create clusterrolebinding viewer --clusterrole holdfast-viewer --serviceaccount ops:viewer');
    const [stranger, viewer, ci] = [await token('stranger'), await token('viewer'), await token('ci')];
    const statuses = async (bearer: string) =>
      Promise.all([ask(bearer, '/api/v1/backups'), ask(bearer, '/api/v1/restores/plan', { set: 'latest' })]).then(all =>
        all.map(({ status }) => status),
      );
    // Gathered by the control plane, and remembered by the service for ten seconds.
    await expect.poll(() => statuses(viewer), { timeout: 60_000, interval: 1_000 }).toEqual([200, 403]);
    await expect.poll(() => statuses(ci), { timeout: 60_000, interval: 1_000 }).toEqual([200, 403]);
    expect(await statuses(stranger)).toEqual([403, 403]);
    expect((await ask(viewer, '/api/v1/backups', {})).status).toBe(403);
    expect((await ask('nobody', '/api/v1/backups')).status).toBe(401);
    expect((await ask((await ran('kubectl create token ci -n ops')).trim(), '/api/v1/backups')).status).toBe(401);
  });

  it('are enough for a backup of everything, which is told of in an Event', async () => {
    const [, calls] = cutAt(await commandsUnder('The first backup'), 'export ');
    const said = await ran(calls.replaceAll('https://localhost:8443', service.url));
    expect(said).toMatch(/Completed/);
    expect(said).toMatch(/\d backups? verified/);
    expect(said).not.toMatch(/PartiallyFailed/);
    const told = async () => (await ran('kubectl get events.events.k8s.io -n holdfast -o json')).includes('"LeaderElected"');
    await waitFor('an Event is written', told, { timeoutMs: 60_000, intervalMs: 500 });
    expect((await requests()).filter(({ status }) => status === 403).map(refusalText)).toEqual([]);
  });

  it('are enough for one that has to watch, as for large kinds that are written to meanwhile', async () => {
    const names = Array.from({ length: 501 }, (_, index) => `many-${index}`);
    const add = (name: string) =>
      apiJson(cluster, '/api/v1/namespaces/team-b/configmaps', { method: 'POST', body: { metadata: { name }, data: {} } });
    for (let from = 0; from < names.length; from += 20) await Promise.all(names.slice(from, from + 20).map(add));
    const watched = async () => {
      await ran('holdfast backup create --token-file ci.token');
      return (await requests()).some(({ verb, resource }) => verb === 'watch' && resource === 'configmaps');
    };
    const seen = waitFor('a backup has watched', watched, { timeoutMs: 120_000 }).finally(() => names.splice(0));
    for (let count = 0; names.length > 0; count += 1) {
      const body = { data: { count: `${count}` } };
      const options = { method: 'PATCH', body, contentType: 'application/merge-patch+json' } as const;
      await apiJson(cluster, '/api/v1/namespaces/team-b/configmaps/many-0', options);
    }
    expect(await seen).toBe(true);
  });

  it('leave the service without the right to restore, and a restore says what it lacked', async () => {
    await ran(
      'kubectl delete namespace team-a && kubectl delete clusterrole team-a-keeper && kubectl delete clusterrolebinding team-a-keeper',
    );
    const [callers, grant] = cutAt(await commandsUnder('Restores'), 'kubectl apply');
    await ran(callers);
    const line = 'holdfast restore create latest -n team-a --identity keys/operator.identity --token-file on-call.token --yes';
    const restoring = async () => {
      const result = await run(line);
      // The binding of a moment ago may not count yet.
      return /REQUEST_FORBIDDEN/.test(result.said) ? undefined : result;
    };
    const { exit, said } = await waitFor('the caller may restore', restoring, { timeoutMs: 60_000, intervalMs: 1_000 });
    expect(exit, said).not.toBe(0);
    expect(said).toContain(`User "${account}" cannot`);
    expect((await apiRequest(cluster, '/api/v1/namespaces/team-a')).status).toBe(404);
    const [given, restores] = cutAt(grant, 'holdfast ');
    await ran(given);
    await untilAllowed(cluster, { user: account }, anything);
    await ran(restores);
  });

  it('give that right by a grant, which brings back roles with more rights than the service has', async () => {
    for (const path of [
      '/api/v1/namespaces/team-a/configmaps/notes',
      '/apis/rbac.authorization.k8s.io/v1/clusterroles/team-a-keeper',
      '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/team-a-keeper',
      '/apis/rbac.authorization.k8s.io/v1/namespaces/team-a/roles/keeper',
    ])
      expect((await apiRequest(cluster, path)).status, path).toBe(200);
    const answer = await apiRequest(cluster, '/apis/rbac.authorization.k8s.io/v1/clusterroles/holdfast-restore');
    expect(answer.status).toBe(404);
  });

  it('hold no right that is not used, and no account is refused anything', async () => {
    const since = new Date();
    await ran('kubectl apply --server-side -f deploy/kubernetes/grants/restore.yaml');
    await untilAllowed(cluster, { user: account }, anything);
    await ran(`kubectl patch configmap notes -n team-a --type merge -p '{"data":{"text":"another"}}'`);
    const restore = 'holdfast restore create latest -n team-a --identity keys/operator.identity --token-file on-call.token --yes';
    await ran(`${restore} --existing update`);
    await ran(`kubectl patch configmap notes -n team-a --type merge -p '{"immutable":true,"data":{"text":"another"}}'`);
    await ran(`${restore} --existing recreate`);
    service.signal('SIGTERM');
    expect(await service.exited, service.log()).toBe(0);
    const all = await requests();
    expect(all.filter(({ status, at }) => status === 403 && at > since).map(refusalText)).toEqual([]);
    const files = ['rbac/backup.yaml', 'rbac/api.yaml', 'rbac/leader.yaml', 'grants/restore.yaml'];
    const rights = rightsIn((await Promise.all(files.map(manifests))).flat());
    expect(rights.length).toBeGreaterThan(15);
    const idle = unused(rights, all).map(rightText);
    expect(idle.filter(text => explained[text] === undefined)).toEqual([]);
    expect(Object.keys(explained).filter(text => !rights.map(rightText).includes(text))).toEqual([]);
  });

  it('can be upgraded and taken away with the commands of docs/install.md', async () => {
    await ran(await commandsUnder('Upgrade'));
    await ran(await commandsUnder('Uninstall'));
    expect((await apiRequest(cluster, '/apis/apps/v1/namespaces/holdfast/deployments/holdfast')).status).toBe(404);
    const left = await ran('kubectl get clusterrole,clusterrolebinding -o name');
    expect(left.split('\n').filter(name => /holdfast/.test(name))).toEqual([]);
  });

  /** Its arguments and its mounted files as the cluster has them; where it listens, and where the repository lies, are this machine’s. */
  async function startAsDeployed(): Promise<Served> {
    const mounted = { config: 'configmaps/holdfast-config', keys: 'secrets/holdfast-keys', tls: 'secrets/holdfast-tls' };
    for (const [folder, object] of Object.entries(mounted)) {
      const { kind, data } = (await get(`/api/v1/namespaces/holdfast/${object}`)) as KubeObject & { data: Record<string, string> };
      await mkdir(join(dir, 'etc', folder), { recursive: true });
      for (const [name, text] of Object.entries(data)) {
        await writeFile(join(dir, 'etc', folder, name), kind === 'Secret' ? Buffer.from(text, 'base64') : text, { mode: 0o600 });
      }
    }
    const kubeconfig = join(dir, 'holdfast.kubeconfig');
    const bearer = (await ran('kubectl create token holdfast -n holdfast --duration 1h')).trim();
    await writeKubeconfig(kubeconfig, 'holdfast', { ...cluster, token: bearer });
    const [command, , file = ''] = (await container())['args'] as string[];
    expect(command).toBe('serve');
    const at = (path: string) => join(dir, path.replace('/etc/holdfast', 'etc'));
    const env = {
      ...{ POD_NAMESPACE: 'holdfast', HOLDFAST_KUBECONFIG: kubeconfig, HOLDFAST_LOCATION: `file://${join(dir, 'repository')}` },
      ...{ HOLDFAST_SERVICE_LISTEN: '127.0.0.1:0', HOLDFAST_SERVICE_METRICS_LISTEN: '127.0.0.1:0' },
      ...{ HOLDFAST_KEYS_DIR: at('/etc/holdfast/keys'), HOLDFAST_SERVICE_TLS_CERT: at('/etc/holdfast/tls/tls.crt') },
      HOLDFAST_SERVICE_TLS_KEY: at('/etc/holdfast/tls/tls.key'),
    };
    expect(await readFile(at(file), 'utf8')).toBe(await readFile(join(manifestsDir, 'holdfast.yaml'), 'utf8'));
    return serveFrom({ name: 'holdfast-0', configFile: at(file), env });
  }

  async function container(): Promise<Record<string, unknown>> {
    const deployment = await get('/apis/apps/v1/namespaces/holdfast/deployments/holdfast');
    const spec = deployment['spec'] as { template: { spec: { containers: Record<string, unknown>[] } } };
    return spec.template.spec.containers[0] ?? {};
  }

  async function probes(): Promise<(readonly [path: string, port: string])[]> {
    const all = await container();
    return ['startupProbe', 'livenessProbe', 'readinessProbe'].map(name => {
      const { httpGet } = all[name] as { httpGet: { path: string; port: string } };
      return [httpGet.path, httpGet.port] as const;
    });
  }
});

function refusalText({ verb, uri, group, resource, name }: AuditedRequest): string {
  return `${verb} ${resource}.${group} ${name} (${uri})`;
}

const everything = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'team-a-keeper' };
const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'team-a' }];
const rbac = 'rbac.authorization.k8s.io/v1';

/** What the backup finds besides the cluster’s own. */
const protectedObjects: readonly object[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-a' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-b' } },
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'notes', namespace: 'team-a' }, data: { text: 'as it was' } },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key', namespace: 'team-a' }, stringData: { key: 'value' } },
  { apiVersion: rbac, kind: 'Role', metadata: { name: 'keeper', namespace: 'team-a' }, rules: everything },
  { apiVersion: rbac, kind: 'ClusterRole', metadata: { name: 'team-a-keeper' }, rules: everything },
  { apiVersion: rbac, kind: 'ClusterRoleBinding', metadata: { name: 'team-a-keeper' }, roleRef, subjects },
  {
    ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'waiting', namespace: 'team-a' } },
    spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'one', image: 'x' }] } } },
  },
];
