import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apiOptions, as } from '../../test/helpers/api-context.ts';
import { allEndpoints } from '../api/methods.ts';
import { type ApiServer, createApiServer } from '../api/server.ts';
import type { Refusal } from '../api/service.ts';
import { HoldfastError } from '../domain/errors.ts';
import { createWaitingService, type WaitingService } from './waiting-service.ts';

const why = 's3://backups/platform could not be opened';
const check = { name: 'repository', ok: false, code: 'STORE_UNREACHABLE', since: '2026-11-24T03:00:00.000Z' } as const;

describe('a service that waits for its repository', () => {
  let service: WaitingService;
  let server: ApiServer;
  const logged: string[] = [];

  beforeEach(async () => {
    logged.length = 0;
    const note = (_: object, message: string) => void logged.push(message);
    service = createWaitingService({
      ...{ version: '1.2.3', log: { info: note, warn: note, error: note } },
      ...{ closed: () => new HoldfastError('SERVICE_WAITING', why), readiness: () => [check] },
    });
    server = await createApiServer({ ...apiOptions(), service });
  });
  afterEach(async () => {
    await server.close();
  });

  it.each(allEndpoints().map(({ method, path }) => [method, path.replace(/:\w+/g, 'x')]))(
    'says so to whoever may %s %s, before it reads a body, and nothing to others',
    async (method, path) => {
      const ask = (headers: Record<string, string>) =>
        server.app.inject({ method: method as 'GET', url: `/api/v1${path}`, headers, payload: 'no JSON' });
      const answer = await ask(as('admin'));
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([503, 'application/problem+json']);
      expect(answer.json()).toMatchObject({ code: 'SERVICE_WAITING', detail: why });
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      const stranger = await ask({ authorization: 'Bearer of-nobody' });
      expect(stranger.statusCode).toBe(401);
      expect(stranger.body).not.toContain('s3:');
    },
  );

  it('is alive and not ready, and says since when', async () => {
    expect((await server.app.inject('/healthz')).statusCode).toBe(200);
    const ready = await server.app.inject('/readyz');
    expect([ready.statusCode, ready.json()]).toEqual([503, { status: 'not-ready', checks: [check] }]);
  });

  it('has what it refused told by the one that takes its place, also what comes later', async () => {
    const told: Refusal[] = [];
    const refusal = (n: number): Refusal => ({
      ...{ actor: { name: `unknown-${n}`, via: 'api' }, request: 'GET /', code: 'REQUEST_UNAUTHENTICATED', reason: '', count: 1 },
    });
    for (let n = 0; n < 600; n++) service.refused(refusal(n));
    service.handOver({ refused: one => void told.push(one) });
    service.refused(refusal(600));
    expect(told.map(({ actor }) => actor.name)).toEqual([...Array.from({ length: 500 }, (_, n) => n), 600].map(n => `unknown-${n}`));
    expect(logged.filter(message => message === 'a request was refused')).toHaveLength(600);
  });
});
