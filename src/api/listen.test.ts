import { execFileSync } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { Agent, request } from 'undici';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { apiOptions, as } from '../../test/helpers/api-context.ts';
import { having } from '../../test/helpers/having.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { type ListeningApi, type ListenOptions, listenApi } from './listen.ts';
import { serveMetrics } from './metrics-server.ts';

let dir = '';
const { describe } = having('openssl');
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  dir = await tempDir('api');
  for (const name of ['one', 'two']) {
    const files = ['-keyout', join(dir, `${name}.key`), '-out', join(dir, `${name}.crt`)];
    const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...names, ...files], { stdio: 'ignore' });
  }
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function listen(more: Partial<ListenOptions> = {}): Promise<ListeningApi> {
  const api = await listenApi({ ...apiOptions(), host: '127.0.0.1', port: 0, onWarning: () => {}, ...more });
  closing.push(() => api.close(0));
  return api;
}

/** What comes back for raw bytes, until the server closes the connection. */
function raw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answer = '';
    socket.on('data', chunk => (answer += chunk));
    // A server that closes on what it has not read resets the connection, after its answer.
    socket.once('error', thrown => (answer === '' ? reject(thrown) : resolve(answer)));
    socket.once('close', () => resolve(answer));
  });
}

describe('plain HTTP', () => {
  it('is served on loopback, and elsewhere only where somebody said so', async () => {
    const { statusCode } = await request(`${(await listen()).url}/healthz`);
    expect(statusCode).toBe(200);
    await expect(listen({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect((await listen({ host: '0.0.0.0', insecureHttp: true })).url).toMatch(/^http:/);
  });

  it('that is no HTTP is answered with a problem, and the connection closed', async () => {
    const answer = await raw((await listen()).url, 'HELLO\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\ncontent-type: application\/problem\+json/);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))).toMatchObject({ code: 'REQUEST_INVALID', status: 400 });
  });

  it('with headers that are too large is 431', async () => {
    const answer = await raw((await listen()).url, `GET /healthz HTTP/1.1\r\nhost: a\r\nx-long: ${'x'.repeat(40_000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(answer).toContain('HEADERS_TOO_LARGE');
  });

  it('that arrives too slowly is 408, in its headers and in its body', async () => {
    const { url } = await listen({ limits: { headersMs: 50, requestMs: 100 } });
    const answers = await Promise.all([
      raw(url, 'GET /healthz HTTP/1.1\r\nhost: a\r\n'),
      raw(
        url,
        `POST /api/v1/backups HTTP/1.1\r\nhost: a\r\nauthorization: Bearer token-of-operator\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"tier":`,
      ),
    ]);
    for (const answer of answers) {
      expect(answer).toMatch(/^HTTP\/1.1 408 /);
      expect(answer).toContain('REQUEST_SLOW');
    }
  });

  it('with a body that grows beyond the limit without saying so is 413', async () => {
    const { url } = await listen({ limits: { bodyBytes: 1_000 } });
    const chunk = `${(900).toString(16)}\r\n${' '.repeat(900)}\r\n`;
    const head =
      'POST /api/v1/backups HTTP/1.1\r\nhost: a\r\nauthorization: Bearer token-of-operator\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    expect(await raw(url, `${head}${chunk}${chunk}0\r\n\r\n`)).toMatch(/^HTTP\/1.1 413 /);
  });

  it('that the service cannot answer in time is 504', async () => {
    const options = apiOptions();
    const aborted = Promise.withResolvers<void>();
    options.service.objectives = signal =>
      new Promise((_resolve, reject) => {
        const stop = () => {
          aborted.resolve();
          reject(signal.reason);
        };
        if (signal.aborted) stop();
        else signal.addEventListener('abort', stop);
      });
    const { url } = await listen({ ...options, limits: { handlerMs: 300 } });
    const answer = await request(`${url}/api/v1/objectives`, { headers: as('viewer') });
    expect(answer.statusCode).toBe(504);
    expect(await answer.body.json()).toMatchObject({ code: 'TIMEOUT' });
    await aborted.promise;
  });
});

describe('a client that goes away', () => {
  it('aborts what was done for it', async () => {
    const options = apiOptions();
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    options.service.objectives = signal =>
      new Promise((_resolve, reject) => {
        started.resolve();
        signal.addEventListener('abort', () => {
          ended.resolve();
          reject(signal.reason);
        });
      });
    const { url } = await listen(options);
    const leave = new AbortController();
    const call = request(`${url}/api/v1/objectives`, { headers: as('viewer'), signal: leave.signal });
    await started.promise;
    leave.abort();
    await expect(call).rejects.toThrow();
    await ended.promise;
  });
});

describe('HTTPS', () => {
  const subject = (url: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.once('error', reject);
    });

  it('takes a renewed certificate without a restart, and keeps the old one while the new is broken', async () => {
    const [certFile, keyFile] = [join(dir, 'served.crt'), join(dir, 'served.key')];
    const put = async (cert: string, key: string) => {
      await cp(join(dir, `${cert}.crt`), certFile);
      await cp(join(dir, `${key}.key`), keyFile);
    };
    await put('one', 'one');
    const warnings: string[] = [];
    let look = Promise.withResolvers<void>();
    let looked = Promise.withResolvers<void>();
    const runtime = {
      ...testRuntime,
      sleep: async (ms: number, signal?: AbortSignal) => {
        if (ms !== 10_000) return testRuntime.sleep(ms, signal);
        looked.resolve();
        const stopped = new Promise<never>((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
        await Promise.race([look.promise, stopped]);
      },
    };
    const lookNow = async () => {
      const go = look;
      [look, looked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      go.resolve();
      await looked.promise;
    };
    const { url } = await listen({ ...apiOptions({ runtime }), tls: { certFile, keyFile }, onWarning: text => warnings.push(text) });
    await looked.promise;
    expect(await subject(url)).toBe('one');
    await put('two', 'one');
    await lookNow();
    expect(await subject(url)).toBe('one');
    expect(warnings).toMatchObject([expect.stringContaining('belong together; the certificate of before stays in force')]);
    await put('two', 'two');
    await lookNow();
    expect(await subject(url)).toBe('two');
    const agent = new Agent({ connect: { ca: await readFile(certFile, 'utf8') } });
    closing.push(() => agent.destroy());
    const { statusCode, headers } = await request(`${url}/healthz`, { dispatcher: agent });
    expect({ statusCode, hsts: headers['strict-transport-security'] }).toEqual({ statusCode: 200, hsts: 'max-age=31536000' });
  });

  it('speaks nothing older than TLS 1.2', async () => {
    const { url } = await listen({ tls: { certFile: join(dir, 'one.crt'), keyFile: join(dir, 'one.key') } });
    const version = (maxVersion: 'TLSv1.1' | 'TLSv1.2') =>
      new Promise<string | null>((resolve, reject) => {
        const options = {
          port: Number(new URL(url).port),
          host: '127.0.0.1',
          rejectUnauthorized: false,
          minVersion: 'TLSv1' as const,
          maxVersion,
          ciphers: 'DEFAULT@SECLEVEL=0',
        };
        const socket = connectTls(options, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.once('error', reject);
      });
    expect(await version('TLSv1.2')).toBe('TLSv1.2');
    await expect(version('TLSv1.1')).rejects.toThrow();
  });

  it('does not begin with files that are no certificate', async () => {
    await writeFile(join(dir, 'empty.crt'), '');
    for (const certFile of [join(dir, 'empty.crt'), join(dir, 'none.crt'), join(dir, 'two.crt')]) {
      await expect(listen({ tls: { certFile, keyFile: join(dir, 'one.key') } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    }
  });
});

describe('metrics', () => {
  it('are served by a listener of their own', async () => {
    const registry = { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' };
    const server = await serveMetrics(registry, { host: '127.0.0.1', port: 0 });
    closing.push(() => server.close());
    const answer = await request(server.url);
    expect({ type: answer.headers['content-type'], text: await answer.body.text() }).toEqual({
      type: registry.contentType,
      text: 'up 1\n',
    });
    expect((await request(server.url.replace('metrics', 'other'))).statusCode).toBe(404);
    expect((await request(server.url, { method: 'POST' })).statusCode).toBe(405);
    expect((await request(`${(await listen()).url}/metrics`)).statusCode).toBe(404);
  });
});
