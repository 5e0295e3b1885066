import { execFile } from 'node:child_process';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';
import { stringify } from 'yaml';
import { having } from '../helpers/having.ts';
import { apiJson, apiRequest } from './api-request.ts';
import { startCluster, type TestCluster } from './cluster.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);
const { it } = having('openssl');
let authority: string;
let real: TestCluster;

/** A certificate of the test's own authority, as local clusters give one to their administrator. */
async function openssl(args: string): Promise<void> {
  await run('openssl', args.split(' '), { cwd: authority });
}

beforeAll(async () => {
  authority = await tempDir('authority');
  await openssl('req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 1 -subj /CN=authority');
  await openssl('req -newkey rsa:2048 -nodes -keyout admin.key -out admin.csr -subj /O=system:masters/CN=someone');
  await openssl('x509 -req -in admin.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out admin.crt -days 1');
  real = await startCluster({ name: 'outside', apiServerArgs: [`--client-ca-file=${join(authority, 'ca.crt')}`] });
});
afterAll(async () => {
  await real?.destroy();
});
afterEach(() => vi.unstubAllEnvs());

it('a cluster that exists is used with its token, lent to one at a time, and left running', async () => {
  vi.stubEnv('HOLDFAST_TEST_KUBECONFIG', real.kubeconfig);
  const lent = await startCluster();
  expect(lent).toMatchObject({ kind: 'existing', server: real.server, token: real.token });
  await expect(lent.stopApiServer()).rejects.toThrow('not ours to stop');

  vi.stubEnv('HOLDFAST_TEST_CONTAINERS', 'off');
  const own = await startCluster({ name: 'own' });
  expect(own.kind).toBe('native');
  await own.destroy();

  await lent.destroy();
  await expect(access(lent.dir)).rejects.toThrow('ENOENT');
  expect((await apiRequest(real, '/readyz')).status).toBe(200);
  const again = await startCluster();
  expect(again.kind).toBe('existing');
  await again.destroy();
});

it('from a kubeconfig with a client certificate a token with all rights is issued', async () => {
  const path = join(authority, 'certificate.kubeconfig');
  const config = {
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'one', user: 'me' } }],
    clusters: [{ name: 'one', cluster: { server: real.server, 'certificate-authority': real.caFile } }],
    users: [{ name: 'me', user: { 'client-certificate': 'admin.crt', 'client-key': 'admin.key' } }],
  };
  await writeFile(path, stringify(config));
  vi.stubEnv('HOLDFAST_TEST_KUBECONFIG', path);
  const lent = await startCluster();
  try {
    expect(lent.token).not.toBe('');
    expect(await apiJson(lent, '/api/v1/namespaces/kube-system/secrets')).toMatchObject({ kind: 'SecretList' });
  } finally {
    await lent.destroy();
  }
});
