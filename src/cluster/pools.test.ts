import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { createClusterApi } from './client.ts';
import type { Credentials } from './connection.ts';

let dir: string;
let server: Server;

async function pair(name: string): Promise<{ cert: string; key: string }> {
  const [key, cert] = [join(dir, `${name}.key`), join(dir, `${name}.crt`)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
}

beforeAll(async () => {
  dir = await tempDir('pools');
  server = createServer({ ...(await pair('server')), requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    response.end(JSON.stringify({ gitVersion: `${subject?.CN ?? 'nobody'} by HTTP/${request.httpVersion}` }));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await new Promise(resolve => server.close(resolve));
});

describe('connections with client certificates', () => {
  it('are made anew when a plugin gives out another certificate', async () => {
    let credentials: Credentials = { headers: {} };
    const api = createClusterApi(
      {
        server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
        context: 'test',
        namespace: 'default',
        tls: { ca: await readFile(join(dir, 'server.crt'), 'utf8') },
        credentials: async () => credentials,
        renew: () => false,
      },
      { runtime: { now: () => new Date(), random: bytes => new Uint8Array(bytes), sleep: async () => {} } },
    );
    const seen = [await api.version()];
    for (const name of ['alice', 'bob']) {
      credentials = { headers: {}, ...(await pair(name)) };
      seen.push(await api.version(), await api.version());
    }
    await api.close();
    expect(seen).toEqual(['nobody', 'alice', 'alice', 'bob', 'bob'].map(name => `${name} by HTTP/1.1`));
  });
});
