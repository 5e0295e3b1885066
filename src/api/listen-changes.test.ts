import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { apiOptions, as } from '../../test/helpers/api-context.ts';
import { eventsOf, type StreamedEvent } from '../client/events.ts';
import { type ListeningApi, listenApi } from './listen.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const loopback = { host: '127.0.0.1', port: 0 };

async function listen(options = apiOptions()): Promise<ListeningApi> {
  const api = await listenApi({ ...options, ...loopback, onWarning: () => {} });
  closing.push(() => api.close(0));
  return api;
}

async function streamOf(url: string, lastId?: string): Promise<AsyncIterator<StreamedEvent>> {
  const headers = { ...as('admin'), ...(lastId !== undefined && { 'last-event-id': lastId }) };
  const { body } = await request(`${url}/api/v1/events`, { headers });
  return eventsOf(body)[Symbol.asyncIterator]();
}
const portOf = (url: string) => Number(new URL(url).port);
const statusOf = async (url: string, dispatcher?: Agent) =>
  (await request(`${url}/healthz`, { ...(dispatcher !== undefined && { dispatcher }) })).statusCode;

describe('an API with other options', () => {
  const everybodyIs = (name: string) => ({ authenticate: async () => ({ principal: { name, groups: [] } }) });

  it('lets requests end as they began, keeps connections and event streams, and answers what comes by the new options', async () => {
    const [first, second] = [apiOptions(), apiOptions()];
    const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    first.service.objectives = async () => {
      asked.resolve();
      await answer.promise;
      return [];
    };
    const api = await listen(first);
    const agent = new Agent({ connections: 1 });
    closing.push(() => agent.destroy());
    const version = async () => {
      const { statusCode, body } = await request(`${api.url}/api/v1/version`, { dispatcher: agent, headers: as('viewer') });
      return [statusCode, ((await body.json()) as { user?: string }).user];
    };
    expect(await version()).toEqual([200, 'viewer']);
    const stream = await streamOf(api.url);
    await stream.next();
    const underWay = request(`${api.url}/api/v1/objectives`, { headers: as('viewer') });
    await asked.promise;

    const use = await api.prepare({ ...second, authenticator: everybodyIs('restorer') });
    expect(await version()).toEqual([200, 'viewer']);
    use();
    expect(await version()).toEqual([200, 'restorer']);
    answer.resolve();
    expect((await underWay).statusCode).toBe(200);
    first.service.emit({ type: 'backup.changed', at: '2026-11-23T00:00:00Z', data: { n: 1 } });
    second.service.emit({ type: 'backup.changed', at: '2026-11-23T00:00:00Z', data: { n: 2 } });
    expect((await stream.next()).value).toMatchObject({ data: { n: 2 } });
    expect(api.openStreams()).toBe(1);
  });

  it('holds a slow request to the new limits', async () => {
    const options = apiOptions();
    const api = await listen(options);
    (await api.prepare({ ...options, limits: { bodyBytes: 10 } }))();
    const headers = { ...as('operator'), 'content-type': 'application/json' };
    const { statusCode } = await request(`${api.url}/api/v1/backups`, { method: 'POST', headers, body: '{"tier":"long-enough"}' });
    expect(statusCode).toBe(413);
  });

  it('asks who reads along anew where that is wanted, and they miss nothing', async () => {
    const options = apiOptions();
    const api = await listen(options);
    const stream = await streamOf(api.url);
    const { id } = (await stream.next()).value as StreamedEvent;
    (await api.prepare(options))();
    api.endStreams();
    expect((await stream.next()).done).toBe(true);
    options.service.emit({ type: 'backup.changed', at: '2026-11-23T00:00:00Z', data: { n: 3 } });
    const again = await streamOf(api.url, id);
    await again.next();
    expect((await again.next()).value).toMatchObject({ data: { n: 3 } });
  });
});

describe('another place', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await tempDir('places');
    const files = ['-keyout', join(dir, 'tls.key'), '-out', join(dir, 'tls.crt')];
    const names = ['-subj', '/CN=place', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...names, ...files], { stdio: 'ignore' });
    await writeFile(join(dir, 'empty.crt'), '');
  });
  const tls = () => ({ certFile: join(dir, 'tls.crt'), keyFile: join(dir, 'tls.key') });
  /** A port that somebody else listens on. */
  const taken = async (): Promise<number> => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => server.close());
    return (server.address() as AddressInfo).port;
  };

  it('is listened on before the one of before is left, where streams end', async () => {
    const api = await listen();
    const before = api.url;
    const stream = await streamOf(before);
    await stream.next();
    await api.move({ host: '127.0.0.2', port: 0 });
    expect(api.url).toMatch(/^http:\/\/127\.0\.0\.2:/);
    expect(await statusOf(api.url)).toBe(200);
    expect((await stream.next()).done).toBe(true);
    const agent = new Agent();
    closing.push(() => agent.destroy());
    await expect(statusOf(before, agent)).rejects.toThrow('ECONNREFUSED');
  });

  it('that is not to be had changes nothing', async () => {
    const api = await listen();
    const { url } = api;
    const port = await taken();
    await expect(api.move({ ...loopback, port })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `127.0.0.1:${port} cannot be listened on (EADDRINUSE)`,
    });
    await expect(api.move({ host: '0.0.0.0', port: 0 })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(api.url).toBe(url);
    expect(await statusOf(url)).toBe(200);
  });

  it('can be the same port with TLS, or without it, unless the certificate is none', async () => {
    const api = await listen();
    const port = portOf(api.url);
    const agent = new Agent({ connect: { rejectUnauthorized: false } });
    closing.push(() => agent.destroy());
    const broken = { ...tls(), certFile: join(dir, 'empty.crt') };
    await expect(api.move({ ...loopback, port, tls: broken })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await statusOf(`http://127.0.0.1:${port}`, agent)).toBe(200);
    await api.move({ ...loopback, port, tls: tls() });
    expect(api.url).toBe(`https://127.0.0.1:${port}`);
    expect(await statusOf(api.url, agent)).toBe(200);
    await expect(api.move({ ...loopback, port, tls: broken })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await statusOf(api.url, agent)).toBe(200);
    await api.move({ ...loopback, port });
    expect(await statusOf(`http://127.0.0.1:${port}`, agent)).toBe(200);
  });

  it('can be the same port of all addresses', async () => {
    const api = await listen();
    const port = portOf(api.url);
    await api.move({ host: '0.0.0.0', port, insecureHttp: true });
    expect(await statusOf(`http://127.0.0.2:${port}`)).toBe(200);
  });
});
