import { describe, expect, it } from 'vitest';
import { apiOptions, as, knownTokens, withApi } from '../../test/helpers/api-context.ts';
import { HoldfastError } from '../domain/errors.ts';
import { createLogger } from '../observe/logger.ts';
import type { Authenticator } from './auth/authenticator.ts';
import { allEndpoints } from './methods.ts';
import { createApiServer } from './server.ts';

const api = withApi();

/** RFC 9457, as every error has to be. */
function expectProblem(
  { status, body, headers }: Awaited<ReturnType<ReturnType<typeof api>['ask']>>,
  expected: number,
  code: string,
): void {
  expect({ status, code: body?.code }).toEqual({ status: expected, code });
  expect(headers['content-type']).toBe('application/problem+json');
  expect(body).toMatchObject({ status: expected, type: expect.stringMatching(/^urn:holdfast:problem:/), title: expect.any(String) });
  expect(body).toMatchObject({ detail: expect.any(String), instance: expect.stringMatching(/^\//), hint: expect.any(String) });
}

describe('every error is a problem', () => {
  it('where there is no such path, and where the path does not know the method', async () => {
    expectProblem(await api().ask('admin', 'GET', '/api/v1/nothing'), 404, 'ROUTE_NOT_FOUND');
    expectProblem(await api().ask('admin', 'GET', '/'), 404, 'ROUTE_NOT_FOUND');
    const wrong = await api().ask('admin', 'PUT', 'restores');
    expectProblem(wrong, 405, 'METHOD_NOT_ALLOWED');
    expect(wrong.headers['allow']).toBe('GET, HEAD, POST, OPTIONS');
  });

  it.each(allEndpoints().map(({ method, path }) => [method, path.replace(/:set/, '20261121T020000Z-daily-aaaa').replace(/:\w+/, 'x')]))(
    'where %s %s is sent by nobody',
    async (method, path) => {
      const answer = await api().ask('stranger', method as 'GET', `/api/v1${path}`);
      expectProblem(answer, 401, 'REQUEST_UNAUTHENTICATED');
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="holdfast", error="invalid_token"/);
    },
  );

  it('where nobody says who it is, and that is told as a refusal too', async () => {
    const [none, unknown] = [
      await api().app.inject({ method: 'GET', url: '/api/v1/policies' }),
      await api().ask('stranger', 'GET', 'holds'),
    ];
    expect([none.statusCode, unknown.status]).toEqual([401, 401]);
    expect(api().service.refusals).toMatchObject([
      { actor: { name: 'unknown (127.0.0.1)' }, request: 'GET /api/v1/policies', reason: 'no bearer token was sent', count: 1 },
      { request: 'GET /api/v1/holds', code: 'REQUEST_UNAUTHENTICATED' },
    ]);
  });

  it('where the body is no JSON, none at all, of another kind, compressed, or too large', async () => {
    const send = (payload: string, headers: Record<string, string>) =>
      api().app.inject({
        method: 'POST',
        url: '/api/v1/restores',
        payload,
        headers: { authorization: 'Bearer token-of-restorer', ...headers },
      });
    const json = { 'content-type': 'application/json' };
    const codes = async (...answer: Parameters<typeof send>) => {
      const { statusCode, body } = await send(...answer);
      return `${statusCode} ${JSON.parse(body).code}`;
    };
    expect(await codes('{"set":', json)).toBe('400 REQUEST_INVALID');
    expect(await codes('', json)).toBe('400 REQUEST_INVALID');
    expect(await codes('[]', json)).toBe('400 REQUEST_INVALID');
    expect(await codes('null', json)).toBe('400 REQUEST_INVALID');
    expect(await codes(`${'['.repeat(500_000)}`, json)).toBe('400 REQUEST_INVALID');
    expect(await codes(`${'['.repeat(400_000)}${']'.repeat(400_000)}`, json)).toBe('400 REQUEST_INVALID');
    expect(await codes('<set/>', { 'content-type': 'text/xml' })).toBe('415 MEDIA_TYPE_UNSUPPORTED');
    expect(await codes('set=latest', { 'content-type': 'application/x-www-form-urlencoded' })).toBe('415 MEDIA_TYPE_UNSUPPORTED');
    expect(await codes('{}', { ...json, 'content-encoding': 'gzip' })).toBe('415 MEDIA_TYPE_UNSUPPORTED');
    expect(await codes(`{"set":"${'x'.repeat(1024 * 1024)}"}`, json)).toBe('413 REQUEST_TOO_LARGE');
  });

  it('that never quotes a body', async () => {
    const answer = await api().app.inject({
      method: 'POST',
      url: '/api/v1/restores',
      payload: '{"identity":{"value":"AGE-SECRET-KEY-1FORGOTTEN"},',
      headers: { authorization: 'Bearer token-of-restorer', 'content-type': 'application/json' },
    });
    expect(answer.body).not.toContain('FORGOTTEN');
  });

  it('that names the fields which are wrong', async () => {
    const answer = await api().ask('restorer', 'POST', 'restores', { set: 'latest', existing: 'destroy', colour: 'red' });
    expectProblem(answer, 400, 'REQUEST_INVALID');
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain('/body/existing');
    const query = await api().ask('viewer', 'GET', 'backups?limit=0');
    expect(query.body.errors).toMatchObject([{ pointer: '/query/limit' }]);
  });

  it('with the status of the error table when the service behind fails', async () => {
    api().service.failure = new HoldfastError('STORE_UNREACHABLE', 's3://backups does not answer');
    const answer = await api().ask('viewer', 'GET', 'backups');
    expectProblem(answer, 503, 'STORE_UNREACHABLE');
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.body.detail).toBe('s3://backups does not answer');
    expect(answer.headers['connection']).not.toBe('close');
  });

  it('that another replica leads on a connection which is closed, so that the next try may come to that one', async () => {
    api().service.failure = new HoldfastError('NOT_LEADER', 'another replica of the service leads');
    const answer = await api().ask('viewer', 'GET', 'backups');
    expectProblem(answer, 503, 'NOT_LEADER');
    expect([answer.headers['retry-after'], answer.headers['connection']]).toEqual(['1', 'close']);
  });

  it('without a word of what went wrong inside', async () => {
    api().service.failure = new TypeError('cannot read property x of /etc/secret');
    const answer = await api().ask('viewer', 'GET', 'backups', undefined, { 'x-request-id': 'abc' });
    expectProblem(answer, 500, 'INTERNAL');
    expect(answer.text).not.toMatch(/secret|property|at /);
    expect(answer.body.detail).toContain('abc');
  });
});

describe('ids', () => {
  it.each([
    'backups/..%2f..%2fetc%2fpasswd',
    'backups/2026..%2f..',
    'backups/20261121T020000Z-daily-aaaa%00',
    'backups/20261121T020000Z-daily-aaaa%0a',
    'operations/..%5c..',
    'operations/latest',
    'operations/20261121T020000Z-burglary-aaaa',
    'policies/..%2fplatform',
    'backups/%E0%A4%A',
    `backups/${'2'.repeat(300)}`,
  ])('that are none are refused: %s', async path => {
    expectProblem(await api().ask('admin', 'GET', path), 400, 'REQUEST_INVALID');
  });

  it('cannot lead out of their place by dots in the path', async () => {
    expectProblem(await api().ask('admin', 'GET', 'backups/../../../etc/passwd'), 404, 'ROUTE_NOT_FOUND');
  });
});

describe('every answer', () => {
  it('is not to be stored, sniffed, framed or told to others, and has the id of its request', async () => {
    for (const path of ['/healthz', '/api/v1/backups', '/nothing', '/docs/']) {
      const { headers } = await api().ask('viewer', 'GET', path, undefined, { 'x-request-id': 'my-id.1' });
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['x-request-id']).toBe('my-id.1');
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
    const forged = await api().ask('viewer', 'GET', '/healthz', undefined, { 'x-request-id': 'a b<script>' });
    expect(forged.headers['x-request-id']).toMatch(/^[0-9a-f]{24}$/);
  });

  it('to HEAD is that to GET without a body, and to OPTIONS the methods', async () => {
    const head = await api().ask('viewer', 'HEAD', 'backups');
    expect(head).toMatchObject({ status: 200, text: '' });
    const options = await api().ask('viewer', 'OPTIONS', 'operations/x');
    expect(options).toMatchObject({ status: 204, headers: { allow: 'GET, HEAD, DELETE, OPTIONS' } });
    expectProblem(await api().ask('viewer', 'PATCH', 'events'), 405, 'METHOD_NOT_ALLOWED');
    const plan = await api().ask('viewer', 'GET', 'restores/plan');
    expectProblem(plan, 405, 'METHOD_NOT_ALLOWED');
    expect(plan.headers['allow']).toBe('POST, OPTIONS');
  });
});

describe('probes', () => {
  it('need no token, and tell ready from alive', async () => {
    api().service.ready = false;
    expect(await api().app.inject('/healthz')).toMatchObject({ statusCode: 200 });
    const ready = await api().app.inject('/readyz');
    expect(ready.statusCode).toBe(503);
    expect(ready.json()).toEqual({ status: 'not-ready', checks: [{ name: 'repository', ok: false }] });
    api().service.ready = true;
    expect(await api().app.inject('/readyz')).toMatchObject({ statusCode: 200 });
  });

  it('are no news in the log; other requests are', async () => {
    const lines: { level: string; route: string }[] = [];
    const log = createLogger({ level: 'debug', format: 'json', now: () => new Date(), write: line => void lines.push(JSON.parse(line)) });
    const { app, close } = await createApiServer({ ...apiOptions(), log });
    for (const url of ['/healthz', '/readyz', '/api/v1/version']) await app.inject({ url, headers: as('viewer') });
    await close();
    expect(lines.map(({ level, route }) => ({ level, route }))).toEqual([
      { level: 'debug', route: '/healthz' },
      { level: 'debug', route: '/readyz' },
      { level: 'info', route: '/api/v1/version' },
    ]);
  });
});

describe('policies', () => {
  it('are shown with their scopes, and without the commands of their hooks', async () => {
    for (const path of ['policies', 'policies/platform']) {
      const { status, body } = await api().ask('viewer', 'GET', path);
      expect(status).toBe(200);
      expect(JSON.stringify(body)).toContain('"parts":["resources"]');
      expect(JSON.stringify(body)).not.toMatch(/a-secret-word|hooks/);
    }
  });
});

describe('limits', () => {
  const limited = withApi(() => ({ limits: { requestsPerMinute: 3 } }));

  it('count strangers by address before anybody is asked about their tokens, and keep nobody out whose token is known', async () => {
    const asked: string[] = [];
    const authenticator: Authenticator = {
      authenticate: (token, signal) => {
        asked.push(token);
        return knownTokens.authenticate(token, signal);
      },
    };
    const { app, close } = await createApiServer({ ...apiOptions({ authenticator }), limits: { failuresPerMinute: 5 } });
    const send = async (token: string, remoteAddress = '10.0.0.9') =>
      app.inject({ url: '/api/v1/policies', remoteAddress, headers: { authorization: `Bearer ${token}` } });
    expect((await send('token-of-viewer')).statusCode).toBe(200);
    const flood = await Promise.all(Array.from({ length: 300 }, (_, i) => send(`random-${i}`)));
    const count = (status: number) => flood.filter(({ statusCode }) => statusCode === status).length;
    expect([count(401), count(429)]).toEqual([5, 295]);
    expect(asked).toHaveLength(6);
    const refused = await send('another');
    expect([refused.statusCode, refused.json().code]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await app.inject({ url: '/api/v1/policies', remoteAddress: '10.0.0.9' })).statusCode).toBe(429);
    // From the same address, as behind a proxy, and from another one.
    expect((await send('token-of-viewer')).statusCode).toBe(200);
    expect((await send('another', '10.0.0.10')).statusCode).toBe(401);
    await close();
  });

  it('count requests by user, and say when to come back', async () => {
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await limited().ask('viewer', 'GET', 'policies')).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    const refused = await limited().ask('viewer', 'GET', 'policies');
    expectProblem(refused, 429, 'RATE_LIMITED');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await limited().ask('operator', 'GET', 'policies')).status).toBe(200);
  });
});
