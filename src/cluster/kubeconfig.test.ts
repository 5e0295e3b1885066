import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { type ClusterLocation, loadCluster } from './kubeconfig.ts';

let dir: string;
/** Advanced by hand. */
let time = 0;
const runtime = { now: () => new Date(time) };
const load = (location: Partial<ClusterLocation>) => loadCluster({ environment: {}, ...location }, runtime);

/** JSON is YAML. */
async function config(name: string, parts: { cluster?: object; user?: object; context?: object; current?: string }): Promise<string> {
  const file = join(dir, name);
  const document = {
    'current-context': parts.current ?? 'main',
    clusters: [{ name: 'c', cluster: parts.cluster ?? { server: 'https://10.0.0.1:6443' } }],
    users: [{ name: 'u', user: parts.user ?? { token: 'abc' } }],
    contexts: [{ name: 'main', context: parts.context ?? { cluster: 'c', user: 'u' } }],
  };
  await writeFile(file, JSON.stringify(document));
  return file;
}

beforeAll(async () => {
  dir = await tempDir('kubeconfig');
  const files = ['-keyout', join(dir, 'a.key'), '-out', join(dir, 'a.crt')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=test', ...files], { stdio: 'ignore' });
  execFileSync('openssl', ['genrsa', '-out', join(dir, 'b.key'), '2048'], { stdio: 'ignore' });
});

describe('loadCluster', () => {
  it('takes the current context, its namespace, and certificates relative to the file', async () => {
    const file = await config('relative', {
      cluster: {
        server: 'https://10.0.0.1:6443/k8s/',
        'certificate-authority': 'a.crt',
        'tls-server-name': 'api',
        'proxy-url': 'http://proxy:1',
      },
      user: {
        ...{ 'client-certificate': 'a.crt', 'client-key': 'a.key', as: 'boss', 'as-groups': ['x', 'y'], 'as-uid': '7' },
        'as-user-extra': { Reasons: ['on call', 'drill'], 'acme.com/team': ['platform'] },
      },
      context: { cluster: 'c', user: 'u', namespace: 'agents' },
    });
    const connection = await load({ kubeconfig: file });
    expect(connection).toMatchObject({
      server: 'https://10.0.0.1:6443/k8s',
      context: 'main',
      namespace: 'agents',
      proxyUrl: 'http://proxy:1',
    });
    expect(connection.tls).toEqual({ ca: expect.stringContaining('BEGIN CERTIFICATE'), servername: 'api' });
    expect(await connection.credentials()).toEqual({
      headers: {
        ...{ 'impersonate-user': 'boss', 'impersonate-group': ['x', 'y'], 'impersonate-uid': '7' },
        'impersonate-extra-reasons': ['on call', 'drill'],
        'impersonate-extra-acme.com%2Fteam': ['platform'],
      },
      cert: expect.stringContaining('BEGIN CERTIFICATE'),
      key: expect.stringContaining('PRIVATE KEY'),
    });
  });

  it('merges the files of KUBECONFIG: the first entry of a name counts, files that are missing are passed over', async () => {
    const first = join(dir, 'first');
    await writeFile(first, 'contexts: [{name: both, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: first}}]\n');
    const second = await config('second', { current: 'both', user: { token: 'second' } });
    const connection = await load({ environment: { KUBECONFIG: [join(dir, 'absent'), first, second].join(delimiter) } });
    expect(connection.context).toBe('both');
    expect((await connection.credentials()).headers).toEqual({ authorization: 'Bearer first' });
  });

  it('looks into the home directory, and in a pod at the service account', async () => {
    const home = join(dir, 'home');
    await mkdir(join(home, '.kube'), { recursive: true });
    await config('home/.kube/config', { current: 'main' });
    const pod = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    expect((await load({ environment: { HOME: home, ...pod } })).context).toBe('main');

    const account = join(dir, 'account');
    await mkdir(account);
    for (const [name, text] of [
      ['ca.crt', 'CA'],
      ['token', 'one\n'],
      ['namespace', 'backup'],
    ] as const)
      await writeFile(join(account, name), text);
    const connection = await load({ environment: { HOME: '/nonexistent', ...pod }, serviceAccount: account });
    expect(connection).toMatchObject({ server: 'https://[fd00::1]:443', context: 'in-cluster', namespace: 'backup', tls: { ca: 'CA' } });
  });

  it('reads a token file again when half a minute has passed, at once after a 401, and bears its absence for a moment', async () => {
    const token = join(dir, 'token');
    await writeFile(token, 'one\n');
    const connection = await load({ kubeconfig: await config('token-file', { user: { tokenFile: token } }) });
    const current = async () => (await connection.credentials()).headers.authorization;
    expect(await current()).toBe('Bearer one');
    await writeFile(token, 'two');
    expect(await current()).toBe('Bearer one');
    expect(connection.renew()).toBe(true);
    expect(await current()).toBe('Bearer two');
    await rm(token);
    time += 31_000;
    expect(await current()).toBe('Bearer two');
    await writeFile(token, 'three');
    time += 31_000;
    expect(await current()).toBe('Bearer three');
  });

  it('prefers a token to a password, and knows that neither can be renewed', async () => {
    const basic = await load({ kubeconfig: await config('basic', { user: { username: 'me', password: 'pass' } }) });
    expect((await basic.credentials()).headers.authorization).toBe(`Basic ${Buffer.from('me:pass').toString('base64')}`);
    expect(basic.renew()).toBe(false);
    const both = await load({ kubeconfig: await config('both', { user: { username: 'me', token: 't' } }) });
    expect((await both.credentials()).headers.authorization).toBe('Bearer t');
  });

  it('takes base64 data rather than a file', async () => {
    const ca = execFileSync('openssl', ['x509', '-in', join(dir, 'a.crt')]).toString();
    const data = Buffer.from(ca).toString('base64');
    const file = await config('data', {
      cluster: {
        server: 'https://x',
        'certificate-authority-data': data,
        'certificate-authority': '/nowhere',
        'insecure-skip-tls-verify': true,
      },
    });
    expect((await load({ kubeconfig: file })).tls).toEqual({ ca, insecure: true });
  });

  const missing = '/nonexistent/kubeconfig';
  const cluster = { server: 'https://x' };
  it.each<[string, Partial<Parameters<typeof config>[1]> | string, RegExp]>([
    ['a file that is not YAML', 'a: [b\nc: d: e', /kubeconfig .*bad: not YAML: \w+ at line \d/],
    ['an empty file', '', /it is empty/],
    ['a file that is no mapping', 'hello', /not a mapping/],
    ['a list that is none', 'clusters: 3', /clusters is not a list/],
    ['an entry without a name', 'users: [{user: {}}]', /a user without a name/],
    ['no current context', { current: '' }, /no current-context is set and none was named; it has main/],
    ['an unknown current context', { current: 'other' }, /no context other; it has main/],
    ['an unknown cluster', { context: { cluster: 'x', user: 'u' } }, /context main names cluster x, which is not there/],
    ['an unknown user', { context: { cluster: 'c', user: 'x' } }, /context main names user x, which is not there/],
    ['no cluster', { context: { user: 'u' } }, /context main names no cluster/],
    ['a cluster without a server', { cluster: {} }, /cluster c of context main has no server/],
    ['a server that is no address', { cluster: { server: 'api' } }, /is not an address/],
    ['a server of another protocol', { cluster: { server: 'ftp://x' } }, /no http\(s\) address/],
    [
      'a missing CA',
      { cluster: { ...cluster, 'certificate-authority': 'gone.crt' } },
      /certificate-authority \/.*gone.crt of cluster c .*: no such file/,
    ],
    [
      'a CA that is none',
      { cluster: { ...cluster, 'certificate-authority': 'bad' } },
      /certificate authority of cluster c .* is no certificate/,
    ],
    [
      'CA data that is no PEM',
      { cluster: { ...cluster, 'certificate-authority-data': 'AAAA' } },
      /certificate-authority-data of .* is not base64 of PEM/,
    ],
    [
      'a missing client certificate',
      { user: { 'client-certificate': 'gone.crt', 'client-key': 'a.key' } },
      /client-certificate .*gone.crt of user u: no such file/,
    ],
    ['a certificate without its key', { user: { 'client-certificate': 'a.crt' } }, /a client certificate without a key/],
    [
      'another certificate’s key',
      { user: { 'client-certificate': 'a.crt', 'client-key': 'b.key' } },
      /client certificate and key of user u do not serve/,
    ],
    ['a missing token file', { user: { tokenFile: 'gone' } }, /token file .*gone: no such file/],
  ])('refuses %s, naming file and reason', async (_what, content, message) => {
    const file = join(dir, 'bad');
    if (typeof content === 'string') await writeFile(file, content);
    else await config('bad', content);
    await expect(load({ kubeconfig: file })).rejects.toMatchObject({ code: 'KUBECONFIG_INVALID', message: expect.stringMatching(message) });
  });

  it('refuses a named file that is missing, an unknown named context, and no configuration at all', async () => {
    const file = await config('fine', {});
    const refused = (location: Partial<ClusterLocation>, message: RegExp) =>
      expect(load(location)).rejects.toMatchObject({ code: 'KUBECONFIG_INVALID', message: expect.stringMatching(message) });
    await refused({ kubeconfig: missing }, /kubeconfig \/nonexistent\/kubeconfig: no such file/);
    await refused({ kubeconfig: dir }, /it is a directory/);
    await refused({ environment: { KUBECONFIG: missing } }, /no such file/);
    await refused({ kubeconfig: file, context: 'prod' }, /no context prod; it has main/);
    await refused(
      { environment: { HOME: '/nonexistent' } },
      /looked for --kubeconfig, KUBECONFIG, \/nonexistent\/.kube\/config, a service account/,
    );
    await refused(
      { environment: { KUBERNETES_SERVICE_HOST: 'x' }, serviceAccount: '/nonexistent' },
      /in-cluster: \/nonexistent\/ca.crt: no such file/,
    );
  });

  it('does not repeat a token in the message about a file that cannot be parsed', async () => {
    const file = join(dir, 'secret');
    await writeFile(file, 'users:\n- name: u\n  user: {token: "s3cr3t"\nx');
    const error = await load({ kubeconfig: file }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'KUBECONFIG_INVALID' });
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('s3cr3t');
  });
});
