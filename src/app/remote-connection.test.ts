import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { apiOptions, tokenOf } from '../../test/helpers/api-context.ts';
import { having } from '../../test/helpers/having.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { listenApi } from '../api/listen.ts';
import { loadConfig } from '../config/load.ts';
import { openConnection } from './remote-connection.ts';

const { describe } = having('openssl');
let dir: string;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  dir = await tempDir('connection');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', join(dir, 'tls.key')];
  const subject = ['-subj', '/CN=holdfast', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2', '-out', join(dir, 'tls.crt')];
  await promisify(execFile)('openssl', ['req', '-x509', ...key, ...subject]);
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function connect(variables: Record<string, string>) {
  const config = await loadConfig({
    variables: { HOLDFAST_SERVER_TOKEN_FILE: join(dir, 'token'), ...variables },
    directory: dir,
    home: dir,
  });
  const warnings: string[] = [];
  const connection = await openConnection(config, testRuntime, text => warnings.push(text));
  closing.push(() => connection.close());
  return { ...connection, warnings };
}

describe('a connection to a service', () => {
  it('trusts the certificates that it is told to, and no others', async () => {
    const tls = { certFile: join(dir, 'tls.crt'), keyFile: join(dir, 'tls.key') };
    const api = await listenApi({ ...apiOptions(), host: '127.0.0.1', port: 0, tls, onWarning: () => {} });
    closing.push(() => api.close(0));
    await writeFile(join(dir, 'token'), `${tokenOf('viewer')}\n`);
    const told = await connect({ HOLDFAST_SERVER_URL: api.url, HOLDFAST_SERVER_CA_FILE: tls.certFile });
    expect(await told.client.version.get()).toMatchObject({ user: 'viewer' });
    await writeFile(join(dir, 'token'), tokenOf('admin'));
    expect(await told.client.version.get()).toMatchObject({ user: 'admin' });
    const other = await connect({ HOLDFAST_SERVER_URL: api.url });
    await expect(other.client.version.get()).rejects.toMatchObject({
      code: 'SERVICE_UNREACHABLE',
      message: expect.stringContaining('certificate'),
    });
  });

  it('keeps to the namespaces that it is told', async () => {
    const api = await listenApi({ ...apiOptions(), host: '127.0.0.1', port: 0, onWarning: () => {} });
    closing.push(() => api.close(0));
    await writeFile(join(dir, 'token'), tokenOf('admin'));
    const { client } = await connect({ HOLDFAST_SERVER_URL: api.url, HOLDFAST_SERVER_NAMESPACES: 'team-a' });
    await expect(client.policies.list()).rejects.toMatchObject({ code: 'REQUEST_FORBIDDEN' });
  });

  it('says what is wrong with an address or a token, and warns of a token in the clear', async () => {
    await writeFile(join(dir, 'token'), 'two words');
    const { client } = await connect({ HOLDFAST_SERVER_URL: 'http://127.0.0.1:1' });
    await expect(client.version.get()).rejects.toMatchObject({ code: 'KEY_INVALID', message: expect.not.stringContaining('words') });
    await expect(connect({ HOLDFAST_SERVER_URL: 'https://h.example.org/api/v1' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect((await connect({ HOLDFAST_SERVER_URL: 'http://h.example.org' })).warnings).toEqual([expect.stringContaining('in the clear')]);
    expect((await connect({ HOLDFAST_SERVER_URL: 'http://[::1]:8443' })).warnings).toEqual([]);
  });

  it.each([
    ['secret:ops/identity/age', { secret: { namespace: 'ops', name: 'identity', key: 'age' } }],
    ['file:operator.identity', { file: 'operator.identity' }],
  ])('names the identity %s', async (written, field) => {
    const { identity } = await connect({ HOLDFAST_SERVER_URL: 'https://h.example.org', HOLDFAST_SERVER_IDENTITY: written });
    expect(await identity()).toEqual(field);
  });
});
