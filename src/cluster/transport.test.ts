import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FaultyServer, refuse, startFaultyServer } from '../../test/contract/cluster-api-faults.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { ClusterApi } from './cluster-api.ts';

const kind: ResourceKind = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
  verbs: [],
  subresources: [],
};

let server: FaultyServer;

beforeEach(async () => {
  server = await startFaultyServer();
});
afterEach(() => server.close());

const create = (api: ClusterApi) => api.create(kind, 'x', '{"metadata":{"name":"a"}}');
const get = (api: ClusterApi) => api.get(kind, 'x', 'a');

describe('refusals', () => {
  it.each([
    [400, 'BadRequest', 'the object is nonsense', 'CLUSTER_REJECTED'],
    [401, 'Unauthorized', 'Unauthorized', 'CLUSTER_UNAUTHORIZED'],
    [403, 'Forbidden', 'configmaps is forbidden: User "bob" cannot create resource "configmaps" in API group ""', 'CLUSTER_FORBIDDEN'],
    [403, 'Forbidden', 'configmaps "a" is forbidden: exceeded quota: small, requested: configmaps=1', 'CLUSTER_REJECTED'],
    [403, 'Forbidden', 'pods "a" is forbidden: violates PodSecurity "restricted:latest"', 'CLUSTER_REJECTED'],
    [400, '', 'admission webhook "policy.test.io" denied the request: no', 'CLUSTER_REJECTED'],
    [404, 'NotFound', 'namespaces "x" not found', 'CLUSTER_NOT_FOUND'],
    [409, 'AlreadyExists', 'configmaps "a" already exists', 'CLUSTER_CONFLICT'],
    [410, 'Expired', 'too old resource version', 'CLUSTER_EXPIRED'],
    [413, 'RequestEntityTooLarge', 'request is too large', 'CLUSTER_REJECTED'],
    [422, 'Invalid', 'metadata.name: Invalid value', 'CLUSTER_REJECTED'],
    [500, 'InternalError', 'failed calling webhook "policy.test.io"', 'CLUSTER_ERROR'],
    [503, 'ServiceUnavailable', 'the server is currently unable', 'CLUSTER_ERROR'],
  ])('%i %s is told in the server’s own words', async (status, reason, message, code) => {
    server.answer((_request, response) => refuse(response, status, reason, message));
    const error = { code, message: `POST /api/v1/namespaces/x/configmaps: ${message} (status ${status})` };
    await expect(create(server.open())).rejects.toMatchObject(error);
    expect(server.requests).toHaveLength(1);
  });

  it('that are no Status are told as far as they are text', async () => {
    server.answer((_request, response) => response.writeHead(502).end(`<html>\n bad   gateway ${'x'.repeat(5000)}`));
    const error = await get(server.open()).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'CLUSTER_ERROR', message: expect.stringMatching(/: <html> bad gateway x+ \(status 502\)$/) });
    expect((error as Error).message.length).toBeLessThan(500);
  });

  it('of a get because there is none are no error, and neither are those of a delete', async () => {
    server.answer((_request, response) => refuse(response, 404, 'NotFound', 'configmaps "a" not found'));
    const api = server.open();
    expect(await get(api)).toBeUndefined();
    await api.delete(kind, 'x', 'a');
  });
});

describe('throttling', () => {
  it('is waited for as long as the server asks, writes included', async () => {
    server.answer((_request, response, before) =>
      before < 2
        ? refuse(response, 429, 'TooManyRequests', 'slow down', { 'retry-after': '2' })
        : response.writeHead(201).end('{"ok":1}\n'),
    );
    expect(await create(server.open())).toBe('{"ok":1}');
    expect(server.waits).toEqual([2000, 2000]);
  });

  it('without a time to wait for is met by ever longer pauses', async () => {
    server.answer((_request, response, before) =>
      before < 7 ? refuse(response, 429, 'TooManyRequests', 'slow down') : response.end('{}'),
    );
    await create(server.open());
    expect(server.waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000]);
  });

  it('ends as CLUSTER_THROTTLED when the next try would be too late', async () => {
    server.answer((_request, response) => refuse(response, 429, 'TooManyRequests', 'slow down', { 'retry-after': '25' }));
    await expect(create(server.open())).rejects.toMatchObject({ code: 'CLUSTER_THROTTLED' });
    expect(server.requests).toHaveLength(3);
  });

  it('is understood as a date as well', async () => {
    server.answer((_request, response, before) =>
      before === 0 ? refuse(response, 429, '', '', { 'retry-after': new Date(7000).toUTCString() }) : response.end('{}'),
    );
    await create(server.open());
    expect(server.waits).toEqual([7000]);
  });

  it('by 503 with Retry-After is waited for by reads only', async () => {
    server.answer((_request, response, before) =>
      before === 0 ? refuse(response, 503, 'ServiceUnavailable', 'not yet', { 'retry-after': '1' }) : response.end('{"a":1}'),
    );
    expect(await get(server.open())).toBe('{"a":1}');
    server.requests.length = 0;
    await expect(create(server.open())).rejects.toMatchObject({ code: 'CLUSTER_ERROR' });
    expect(server.requests).toHaveLength(1);
  });

  it('stops waiting when it is aborted', async () => {
    const abort = new AbortController();
    server.answer((_request, response) => refuse(response, 429, 'TooManyRequests', 'slow down', { 'retry-after': '20' }));
    const sleep = async (_ms: number, signal?: AbortSignal) => {
      abort.abort();
      signal?.throwIfAborted();
    };
    const api = server.open({}, { runtime: { now: () => new Date(0), random: bytes => new Uint8Array(bytes), sleep } });
    await expect(api.get(kind, 'x', 'a', { signal: abort.signal })).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });
});

describe('a create that meets a conflict about something else', () => {
  const message = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified';

  it('is made again', async () => {
    server.answer((_request, response, before) =>
      before === 0 ? refuse(response, 409, 'Conflict', message) : response.writeHead(201).end('{}'),
    );
    expect(await create(server.open())).toBe('{}');
  });

  it('never looks as if the object were there', async () => {
    server.answer((_request, response) => refuse(response, 409, 'Conflict', message));
    await expect(create(server.open({}, { retry: { attempts: 3 } }))).rejects.toMatchObject({
      code: 'CLUSTER_ERROR',
      message: expect.stringContaining(message),
    });
    expect(server.requests).toHaveLength(3);
  });
});

describe('connections', () => {
  it('that are cut before an answer are made again for reads, not for writes', async () => {
    server.answer((request, response, before) => (before % 2 === 0 ? request.socket.destroy() : response.end('{"a":1}')));
    const api = server.open();
    await api.version().catch(() => undefined);
    server.requests.length = 0;
    expect(await get(api)).toBe('{"a":1}');
    server.requests.length = 0;
    await expect(create(api)).rejects.toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
      message: expect.stringContaining('POST /api/v1/namespaces/x/configmaps'),
    });
    expect(server.requests).toHaveLength(1);
  });

  it('are tried three times at an address that never answered, and named with the cause', async () => {
    await server.shut();
    const error = { code: 'CLUSTER_UNREACHABLE', message: `${server.url} did not answer GET /version: connection refused (ECONNREFUSED)` };
    await expect(server.open().version()).rejects.toMatchObject(error);
    expect(server.waits).toEqual([100, 200]);
  });

  it('are tried for a minute at a server that answered before, writes included, for nothing was sent', async () => {
    server.answer((_request, response) => response.end('{"gitVersion":"v1"}'));
    const api = server.open();
    await api.version();
    await server.shut();
    await expect(create(api)).rejects.toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
    expect(server.waits.length).toBe(13);
    expect(server.waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(60_000);
  });

  it('to a name that does not exist say so', async () => {
    const error = {
      code: 'CLUSTER_UNREACHABLE',
      message: expect.stringMatching(/http:\/\/no-such-host.invalid did not answer GET \/version: .*no such host|resolved/),
    };
    await expect(server.open({ server: 'http://no-such-host.invalid' }).version()).rejects.toMatchObject(error);
  });

  it('that stay silent are given up', async () => {
    server.answer(() => {});
    const watch = server.open({}, { retry: { attempts: 1 } }).watch(kind, { revision: '1', timeoutSeconds: -14, onEvent: () => true });
    await expect(watch).rejects.toMatchObject({ code: 'CLUSTER_UNREACHABLE', message: expect.stringContaining('no answer in time') });
  });

  it('are ended by an abort, with the reason that it gives', async () => {
    const abort = new AbortController();
    server.answer(() => abort.abort());
    await expect(server.open().version({ signal: abort.signal })).rejects.toMatchObject({ code: 'INTERRUPTED' });
    await expect(server.open().version({ signal: AbortSignal.timeout(0) })).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('a client that is closed', () => {
  it('ends what is under way, and starts nothing more', async () => {
    const api = server.open();
    const closing = new Promise<void>(resolve => server.answer(() => resolve(api.close())));
    const error = { code: 'CLUSTER_UNREACHABLE', message: expect.stringContaining('the client was closed') };
    await expect(get(api)).rejects.toMatchObject(error);
    await closing;
    await expect(get(api)).rejects.toMatchObject(error);
    expect(server.waits).toEqual([]);
  });
});

describe('credentials', () => {
  it('are renewed once after a 401', async () => {
    let token = 'old';
    const renew = () => {
      token = 'new';
      return true;
    };
    server.answer((request, response) =>
      request.headers.authorization === 'Bearer new' ? response.end('{"a":1}') : refuse(response, 401, 'Unauthorized', 'Unauthorized'),
    );
    const credentials = async () => ({ headers: { authorization: `Bearer ${token}` } });
    expect(await get(server.open({ credentials, renew }))).toBe('{"a":1}');
    await expect(get(server.open({ credentials: async () => ({ headers: {} }), renew }))).rejects.toMatchObject({
      code: 'CLUSTER_UNAUTHORIZED',
    });
    expect(server.requests).toHaveLength(4);
  });

  it('and their like never get into an error', async () => {
    server.answer(request => request.socket.destroy());
    const credentials = async () => ({ headers: { authorization: 'Bearer s3cr3t' } });
    const error = await create(server.open({ credentials })).catch((thrown: Error) => thrown);
    expect(`${String(error)}${(error as Error).stack}${JSON.stringify(error)}`).not.toContain('s3cr3t');
  });
});

describe('a server that is none', () => {
  it.each(['<html>login</html>', '{}', '[1'])('answering %s is named', async text => {
    server.answer((_request, response) => response.end(text));
    await expect(server.open().version()).rejects.toMatchObject({
      code: 'CLUSTER_ERROR',
      message: expect.stringMatching(/Kubernetes API server/),
    });
  });

  it('keeps the path of its address', async () => {
    server.answer((_request, response) => response.end('{"gitVersion":"v1.2.3"}'));
    expect(await server.open({ server: `${server.url}/k8s/c-1` }).version()).toBe('v1.2.3');
    expect(server.requests).toEqual(['GET /k8s/c-1/version']);
  });
});
