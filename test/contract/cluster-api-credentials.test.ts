import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClusterApi } from '../../src/cluster/client.ts';
import { loadCluster } from '../../src/cluster/kubeconfig.ts';
import { stringAt } from '../../src/domain/json.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { having } from '../helpers/having.ts';
import { kindOf } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';

const run = promisify(execFile);
const reviews = kindOf('selfsubjectreviews.authentication.k8s.io/v1 SelfSubjectReview', false);
const configMaps = kindOf('configmaps/v1 ConfigMap');

const { describe } = having('openssl');
let dir: string;
let cluster: TestCluster;

async function openssl(args: string): Promise<void> {
  await run('openssl', args.split(' '), { cwd: dir });
}

/** A client certificate of one authority or another. */
async function issue(name: string, subject: string, authority: string): Promise<void> {
  await openssl(`req -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.csr -subj ${subject}`);
  await openssl(`x509 -req -in ${name}.csr -CA ${authority}.crt -CAkey ${authority}.key -CAcreateserial -out ${name}.crt -days 1`);
}

beforeAll(async () => {
  dir = await tempDir('credentials');
  for (const authority of ['ca', 'foreign'])
    await openssl(`req -x509 -newkey rsa:2048 -nodes -keyout ${authority}.key -out ${authority}.crt -days 1 -subj /CN=${authority}`);
  await issue('operator', '/O=system:masters/CN=operator', 'ca');
  await issue('stranger', '/O=system:masters/CN=operator', 'foreign');
  cluster = await startCluster({
    name: 'credentials',
    unsafeNoFsync: true,
    apiServerArgs: [`--client-ca-file=${join(dir, 'ca.crt')}`],
    users: [{ name: 'plugged', token: 'token-of-the-plugin', groups: ['system:masters'] }],
  });
});
afterAll(() => cluster?.destroy());

/** What the API server takes this user of a kubeconfig for, after it has listed something. */
async function whoIs(user: object): Promise<string | undefined> {
  const kubeconfig = join(dir, 'kubeconfig');
  const config = {
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'one', user: 'me' } }],
    clusters: [{ name: 'one', cluster: { server: cluster.server, 'certificate-authority': cluster.caFile } }],
    users: [{ name: 'me', user }],
  };
  await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  const api = createClusterApi(await loadCluster({ kubeconfig, environment: {} }, testRuntime), { runtime: testRuntime });
  try {
    await api.list(configMaps, () => {});
    const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
    return stringAt(JSON.parse(await api.create(reviews, '', body)), 'status', 'userInfo', 'username');
  } finally {
    await api.close();
  }
}

const base64 = async (name: string): Promise<string> => (await readFile(join(dir, name))).toString('base64');

describe('a client certificate', () => {
  it('signs in by its files', async () => {
    expect(await whoIs({ 'client-certificate': 'operator.crt', 'client-key': 'operator.key' })).toBe('operator');
  });

  it('signs in by its bytes', async () => {
    const user = { 'client-certificate-data': await base64('operator.crt'), 'client-key-data': await base64('operator.key') };
    expect(await whoIs(user)).toBe('operator');
  });

  it('of another authority does not', async () => {
    await expect(whoIs({ 'client-certificate': 'stranger.crt', 'client-key': 'stranger.key' })).rejects.toMatchObject({
      code: 'CLUSTER_UNAUTHORIZED',
    });
  });
});

describe('an exec plugin', () => {
  /** A program that counts its runs in a file of its own and answers with a credential. */
  async function plugin(name: string, script: string): Promise<object> {
    await writeFile(join(dir, name), `#!/bin/sh\nprintf x >> ${dir}/${name}.runs\n${script}\n`);
    await chmod(join(dir, name), 0o755);
    return { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: `./${name}`, interactiveMode: 'Never' } };
  }
  const answer = (status: string) =>
    `echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\",\\"status\\":${status}}"`;
  const runs = async (name: string): Promise<number> => (await readFile(join(dir, `${name}.runs`))).length;

  it('signs in by the token that it gives', async () => {
    expect(await whoIs(await plugin('token', answer('{\\"token\\":\\"token-of-the-plugin\\"}')))).toBe('plugged');
    expect(await runs('token')).toBe(1);
  });

  it('is asked once more where the API server refuses its token', async () => {
    const tokens = `t=expired; [ "$(wc -c < ${dir}/renewed.runs)" -gt 1 ] && t=token-of-the-plugin`;
    expect(await whoIs(await plugin('renewed', `${tokens}\n${answer('{\\"token\\":\\"$t\\"}')}`))).toBe('plugged');
    expect(await runs('renewed')).toBe(2);
  });

  it('signs in by the client certificate that it gives', async () => {
    const status = { clientCertificateData: await readFile(join(dir, 'operator.crt'), 'utf8'), clientKeyData: '' };
    status.clientKeyData = await readFile(join(dir, 'operator.key'), 'utf8');
    await writeFile(
      join(dir, 'credential.json'),
      JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status }),
    );
    expect(await whoIs(await plugin('certificate', `cat ${dir}/credential.json`))).toBe('operator');
  });

  it('whose tokens are all refused ends as unauthorized', async () => {
    await expect(whoIs(await plugin('useless', answer('{\\"token\\":\\"nobody\\"}')))).rejects.toMatchObject({
      code: 'CLUSTER_UNAUTHORIZED',
    });
  });
});
