import { once } from 'node:events';
import { createServer } from 'node:http';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { plainTls } from './tls-words.ts';

it('tells from OpenSSL’s words that a server speaks no TLS', async () => {
  const server = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const request = get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const [thrown] = (await once(request, 'error')) as [Error];
  expect(plainTls(thrown.message)).toMatch(/^no TLS is spoken there, perhaps http:\/\/ is meant \([a-z ]+\)$/);
});

it('keeps the reason of any other failure, and all other text', () => {
  expect(plainTls('40CD:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../deps/x.c:1:SSL alert number 40')).toBe(
    'TLS failed: sslv3 alert handshake failure',
  );
  expect(plainTls('connect ECONNREFUSED 127.0.0.1:1')).toBe('connect ECONNREFUSED 127.0.0.1:1');
});
