import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { untilAllowed } from '../cluster/allowed.ts';
import { apiJson, apiRequest } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { holdfast, type Ran } from '../helpers/command.ts';

const namespace = 'cli-agents';
const users = [
  { name: 'nobody', token: 'token-nobody' },
  { name: 'almost', token: 'token-almost' },
];

let cluster: TestCluster;
let dir: string;
/** The complete backup that the tests below work with. */
let id: string;

const run = (line: string) =>
  holdfast(line.split(' '), {
    env: {
      HOME: dir,
      XDG_CACHE_HOME: join(dir, 'cache'),
      HOLDFAST_LOCATION: join(dir, 'repository'),
      HOLDFAST_KEYS_DIR: join(dir, 'keys'),
      HOLDFAST_KUBECONFIG: cluster.kubeconfig,
      HOLDFAST_IDENTITY: join(dir, 'keys/operator.identity'),
    },
  });
const messages = ({ stdout }: Ran): Record<string, unknown>[] =>
  stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
const last = (ran: Ran) => messages(ran).at(-1)!;

const configMap = (name: string, in_ = namespace) => `/api/v1/namespaces/${in_}/configmaps/${name}`;

async function create(path: string, body: object): Promise<void> {
  await apiJson(cluster, path, { method: 'POST', body });
}

/** One object gone, one changed. */
async function disturb(): Promise<void> {
  await apiRequest(cluster, configMap('tools'), { method: 'DELETE' });
  const contentType = 'application/merge-patch+json';
  const body = { metadata: { name: 'settings' }, data: { key: 'changed' } };
  const patched = await apiRequest(cluster, configMap('settings'), { method: 'PATCH', contentType, body });
  expect(patched.status).toBe(200);
}

/** A kubeconfig like the cluster’s own, for another user. */
async function kubeconfigFor(token: string): Promise<string> {
  const ca = (await readFile(cluster.caFile)).toString('base64');
  const file = join(dir, `${token}.kubeconfig`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: cluster.server, 'certificate-authority-data': ca } }],
    users: [{ name: 'u', user: { token } }],
  };
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

beforeAll(async () => {
  dir = await tempDir('cli');
  await mkdir(join(dir, 'cache'));
  cluster = await startCluster({ name: 'cli', users, unsafeNoFsync: true });
  await create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  for (const name of ['settings', 'tools']) {
    await create(`/api/v1/namespaces/${namespace}/configmaps`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: { key: name },
    });
  }
  await create(`/api/v1/namespaces/${namespace}/secrets`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'app' },
    stringData: { token: 'hunter2' },
  });
  expect(await run(`keys generate --out ${join(dir, 'keys')}`)).toMatchObject({ exit: 0 });
  expect(await run('init')).toMatchObject({ exit: 0 });
  const ran = await run('backup create --tier test -o json');
  expect(ran.exit, ran.stderr).toBe(0);
  id = String(last(ran)['id']);
});
afterAll(async () => {
  await cluster?.destroy();
});

describe('backup', () => {
  it('prints statuses and a summary as JSON lines', async () => {
    const ran = await run('backup create -o json');
    const all = messages(ran);
    expect(all[0]).toMatchObject({ message_type: 'status', phase: 'discover' });
    expect(all.at(-1)).toMatchObject({ message_type: 'summary', phase: 'Completed', tier: 'manual', problems: [] });
  });

  it('prints its id alone for a script', async () => {
    const ran = await run(`backup create -q -o name --include-namespaces ${namespace} --include-kinds configmaps`);
    expect(ran).toMatchObject({ exit: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^\d{8}T\d{6}Z-manual-[a-z0-9]{4}\n$/);
    const { selection, cluster: source } = JSON.parse((await run(`backup describe ${ran.stdout.trim()} -o json`)).stdout);
    // Known whatever is selected: it tells sets of several clusters apart.
    expect(source.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(selection).toMatchObject({ includeNamespaces: [namespace] });
  });

  it('is described with its kinds, files and signature', async () => {
    const { stdout } = await run(`backup describe ${id}`);
    expect(stdout).toContain(`✓ Completed  ${id}`);
    expect(stdout).toContain('(verified with your key)');
    expect(stdout).toMatch(/secrets-0001\.tar\.zst\.age/);
  });

  it('ends with 3 and names the kind where the account may not read everything', async () => {
    const rule = { apiGroups: ['*'], resources: ['configmaps', 'namespaces'], verbs: ['get', 'list', 'watch'] };
    await create('/apis/rbac.authorization.k8s.io/v1/clusterroles', { metadata: { name: 'almost' }, rules: [rule] });
    await create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'almost' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'almost' },
      subjects: [{ kind: 'User', name: 'almost' }],
    });
    await untilAllowed(cluster, { user: 'almost' }, { resource: 'configmaps', verb: 'list' });
    const ran = await run(`backup create --kubeconfig ${await kubeconfigFor('token-almost')} --include-kinds configmaps,secrets -o json`);
    expect(ran.exit, ran.stderr).toBe(3);
    expect(messages(ran)).toContainEqual(expect.objectContaining({ message_type: 'error', item: 'secrets', code: 'CLUSTER_FORBIDDEN' }));
    expect(last(ran)).toMatchObject({ message_type: 'summary', phase: 'PartiallyFailed' });
  });

  it('ends with 1 and commits nothing where the account may read nothing', async () => {
    const before = (await run('backup get -o name')).stdout;
    const ran = await run(`backup create --kubeconfig ${await kubeconfigFor('token-nobody')} -o json`);
    expect(ran.exit, ran.stderr).toBe(1);
    expect(last(ran)).toMatchObject({ message_type: 'exit_error', code: 'CLUSTER_FORBIDDEN', exit: 1 });
    expect((await run('backup get -o name')).stdout).toBe(before);
  });

  it.each(['', ' -q'])('in the clear says so loudly, on stderr and wherever the set is described (backup create%s)', async quiet => {
    const location = join(dir, `plain${quiet.trim()}`);
    const env = { HOME: dir, HOLDFAST_LOCATION: location, HOLDFAST_SIGNING_KEY: join(dir, 'keys/signing.key') };
    const plain = (line: string) => holdfast(line.split(' '), { env });
    const made = await plain(`init --insecure-plaintext${quiet}`);
    expect(made.exit, made.stderr).toBe(0);
    expect(made.stderr).toContain(`warning: --insecure-plaintext: every backup in file://${location} will lie in the clear, Secrets too.`);
    const ran = await plain(`backup create --insecure-plaintext --kubeconfig ${cluster.kubeconfig} -o name${quiet}`);
    expect(ran.exit, ran.stderr).toBe(0);
    expect(ran.stderr).toContain('warning: --insecure-plaintext: this backup is NOT ENCRYPTED.');
    expect(ran.stderr).toContain(`Everybody who can read file://${location} can read every Secret in it.`);
    const described = await plain('backup describe latest');
    expect(described.stdout).toMatch(/NO: everything, Secrets too, lies in the clear/);
    const { encryption, shards } = JSON.parse((await plain('backup describe latest -o json')).stdout);
    expect(encryption).toEqual({ scheme: 'none', recipients: [], indexSealed: false });
    expect(shards.every(({ name }: { name: string }) => !name.endsWith('.age'))).toBe(true);
  });

  it('is refused to an unknown account', async () => {
    const ran = await run(`backup create --kubeconfig ${await kubeconfigFor('token-unknown')}`);
    expect(ran).toMatchObject({ exit: 1, stdout: '' });
    expect(ran.stderr).toContain('hint: renew the credentials in the kubeconfig');
  });
});

describe('a selection that nothing matches', () => {
  it.each(['restore plan', 'restore create --yes', 'validate --no-platform'])('ends %s with 10, and names it', async command => {
    const ran = await run(`${command.replace(/^(restore \w+|validate)/, `$1 ${id}`)} -n ${namespace}s -l app=web`);
    expect(ran.exit).toBe(10);
    expect(ran.stderr).toContain(`error: ${id} holds nothing of what is selected (namespaces ${namespace}s; labels app=web)`);
    expect(ran.stderr).toContain(`hint: holdfast backup describe ${id} --objects lists what it holds`);
    expect(ran.stdout).not.toContain('✓');
  });

  it('makes an empty backup, which is said and ends with 3', async () => {
    const ran = await run(`backup create --include-namespaces ${namespace}s`);
    expect([ran.exit, ran.stderr]).toEqual([
      3,
      expect.stringContaining(`nothing in the cluster matches the selection (namespaces ${namespace}s)`),
    ]);
  });

  it('is refused where it cannot be read, before anything is asked for', async () => {
    const ran = await run('backup create -l a=b=c');
    expect([ran.exit, ran.stderr]).toEqual([2, expect.stringContaining('error: --selector: label selector “a=b=c”: cannot read “a=b=c”')]);
  });
});

describe('restore', () => {
  it('plans what is missing and what differs, field by field, and writes nothing', async () => {
    await disturb();
    const plan = JSON.parse((await run(`restore plan ${id} -n ${namespace} --existing update -o json`)).stdout);
    expect(plan.totals).toMatchObject({ create: 1, update: 1, fail: 0 });
    const text = await run(`restore plan ${id} -n ${namespace} --existing update --diff`);
    expect(text.stdout).toContain('- "changed"');
    expect(text.stdout).toContain('+ "settings"');
    expect(
      (await run(`restore create ${id} -n ${namespace} --existing update --dry-run -o name`)).stdout.trim().split('\n').sort(),
    ).toEqual([`${namespace}/configmaps/settings`, `${namespace}/configmaps/tools`]);
    expect((await apiRequest(cluster, configMap('tools'))).status).toBe(404);
  });

  it('leaves what differs by default, brings the rest back, and writes nothing when run again', async () => {
    await disturb();
    const first = last(await run(`restore create ${id} -n ${namespace} --yes -o json`));
    expect(first).toMatchObject({ message_type: 'summary', phase: 'Completed', totals: { create: 1, 'skip-differs': 1 } });
    expect((await apiRequest(cluster, configMap('tools'))).status).toBe(200);
    expect(last(await run(`restore create ${id} -n ${namespace} --yes -o json`))).toMatchObject({ writes: 0, totals: { create: 0 } });
  });

  it('can go into another namespace and prove itself', async () => {
    const ran = await run(`restore create ${id} -n ${namespace} --map-namespace ${namespace}=cli-copy --yes --validate`);
    expect(ran.exit, ran.stdout + ran.stderr).toBe(0);
    expect(ran.stdout).toContain('✓ Completed');
    expect(ran.stdout).toContain('✓ Passed');
    expect((await apiRequest(cluster, configMap('settings', 'cli-copy'))).status).toBe(200);
  });
});

describe('validate', () => {
  it('ends with 4 where something differs, with the reason as text and as JUnit, and with 0 once it is mended', async () => {
    await disturb();
    const report = join(dir, 'report.xml');
    const ran = await run(`validate ${id} -n ${namespace} --no-platform --junit ${report}`);
    expect(ran.exit, ran.stderr).toBe(4);
    expect(ran.stdout).toContain(`configmaps ${namespace}/settings`);
    expect(await readFile(report, 'utf8')).toContain('<failure');
    expect(await run(`restore create ${id} -n ${namespace} --existing update --yes -q`)).toMatchObject({ exit: 0 });
    expect(await run(`validate ${id} -n ${namespace} --no-platform -o name`)).toMatchObject({ exit: 0, stdout: '' });
  });
});

it('prints no secret in any of this, whatever the format', async () => {
  const formats = ['table', 'json', 'yaml'];
  const lines = formats.flatMap(format => [
    `backup describe ${id} -o ${format}`,
    `backup describe ${id} --objects -o ${format}`,
    `restore plan ${id} -n ${namespace} --map-namespace ${namespace}=cli-plan --diff --objects -o ${format} -v`,
  ]);
  for (const line of lines) {
    const ran = await run(line);
    expect(ran.exit, ran.stderr).toBe(0);
    expect(ran.stdout + ran.stderr).not.toMatch(/hunter2|aHVudGVyMg|AGE-SECRET-KEY/);
  }
});
