import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { loadCluster } from './kubeconfig.ts';

let dir: string;
let time = 0;
const runtime = { now: () => new Date(time) };

beforeAll(async () => {
  dir = await tempDir('plugin');
});
beforeEach(async () => {
  time = Date.now();
  await rm(join(dir, 'runs'), { force: true });
});

/** A plugin that counts its runs and then does as told. */
async function plugin(script: string, exec: object = {}, timeoutMs = 20_000) {
  const command = join(dir, 'plugin');
  await writeFile(command, `#!/bin/sh\nprintf x >> ${dir}/runs\n${script}\n`);
  await chmod(command, 0o755);
  return connection({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin', ...exec } }, timeoutMs);
}

async function connection(user: object, timeoutMs = 20_000) {
  const file = join(dir, 'config');
  const document = {
    'current-context': 'm',
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1', 'tls-server-name': 'api' } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'm', context: { cluster: 'c', user: 'u' } }],
  };
  await writeFile(file, JSON.stringify(document));
  return loadCluster({ kubeconfig: file, environment: {}, pluginTimeoutMs: timeoutMs }, runtime);
}

const credential = (status: string) => `echo '{"kind":"ExecCredential","status":{${status}}}'`;
const runs = async () => (await readFile(join(dir, 'runs'), 'utf8')).length;

describe('exec plugins', () => {
  it('run once for many calls, and again after a 401', async () => {
    const { credentials, renew } = await plugin(`n=$(wc -c < ${dir}/runs); echo "{\\"status\\":{\\"token\\":\\"t$n\\"}}"`);
    const all = await Promise.all(Array.from({ length: 20 }, credentials));
    expect(new Set(all.map(one => one.headers.authorization))).toEqual(new Set(['Bearer t1']));
    time += 60_000;
    await credentials();
    expect(await runs()).toBe(1);
    expect(renew()).toBe(true);
    expect((await credentials()).headers).toEqual({ authorization: 'Bearer t2' });
  });

  it('run again when their answer has expired', async () => {
    const { credentials } = await plugin(credential('"token":"t","expirationTimestamp":"2001-01-01T00:00:00Z"'));
    await credentials();
    time += 6_000;
    await credentials();
    expect(await runs()).toBe(2);
  });

  it('may give a client certificate', async () => {
    const { credentials } = await plugin(credential('"clientCertificateData":"CERT","clientKeyData":"KEY"'));
    expect(await credentials()).toEqual({ headers: {}, cert: 'CERT', key: 'KEY' });
  });

  it('are told their arguments, environment and cluster, and get no input to wait for', async () => {
    const { credentials } = await plugin(
      `cat >/dev/null; echo "$1 $EXTRA $KUBERNETES_EXEC_INFO" > ${dir}/told\n${credential('"token":"t"')}`,
      {
        args: ['get-token'],
        env: [{ name: 'EXTRA', value: 'more' }],
        provideClusterInfo: true,
      },
    );
    expect((await credentials()).headers).toEqual({ authorization: 'Bearer t' });
    const [argument, extra, info] = (await readFile(join(dir, 'told'), 'utf8')).trim().split(' ');
    expect([argument, extra]).toEqual(['get-token', 'more']);
    expect(JSON.parse(info ?? '')).toEqual({
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      spec: { interactive: false, cluster: { server: 'https://10.0.0.1', 'tls-server-name': 'api' } },
    });
  });

  it('that fail are named with their own words, and asked again at the next call', async () => {
    const { credentials } = await plugin('echo "session has ended" >&2; exit 1');
    const expected = { code: 'CLUSTER_UNAUTHORIZED', message: 'credential plugin ./plugin of user u failed: session has ended' };
    await expect(credentials()).rejects.toMatchObject(expected);
    await expect(credentials()).rejects.toMatchObject(expected);
    expect(await runs()).toBe(2);
  });

  it('that print something else than JSON are refused without repeating it', async () => {
    const { credentials } = await plugin('echo "token: s3cr3t"');
    const error = await credentials().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'CLUSTER_UNAUTHORIZED', message: expect.stringContaining('its output is not JSON') });
    expect(error).not.toHaveProperty('cause');
  });

  it('that do not end are ended', async () => {
    const { credentials } = await plugin('exec sleep 600', {}, 200);
    await expect(credentials()).rejects.toMatchObject({
      code: 'CLUSTER_UNAUTHORIZED',
      message: expect.stringContaining('no answer within 0.2 s'),
    });
  });

  it('that are not installed give their hint', async () => {
    const { credentials } = await plugin('', { command: 'holdfast-no-such-plugin', installHint: 'install it with apt' });
    await expect(credentials()).rejects.toMatchObject({
      code: 'KUBECONFIG_INVALID',
      message: expect.stringMatching(/holdfast-no-such-plugin of user u is not installed: install it with apt/),
    });
  });
});

describe('auth providers', () => {
  it('are run by client-node', async () => {
    const idToken = `${Buffer.from('{}').toString('base64url')}.${Buffer.from('{"exp":99999999999}').toString('base64url')}.x`;
    const { credentials } = await connection({ 'auth-provider': { name: 'oidc', config: { 'id-token': idToken } } });
    expect((await credentials()).headers).toEqual({ authorization: `Bearer ${idToken}` });
  });

  it('that do not exist are refused, rather than going without credentials', async () => {
    const { credentials } = await connection({ 'auth-provider': { name: 'magic', config: {} } });
    await expect(credentials()).rejects.toMatchObject({
      code: 'KUBECONFIG_INVALID',
      message: expect.stringMatching(/auth-provider magic of user u gave neither/),
    });
  });
});
