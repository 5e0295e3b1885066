import { writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultLimits } from '../../src/api/limits.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, serveFrom, tokens, tokensFileOf, writeServeConfig } from '../helpers/serve-process.ts';

const { streams: most, streamsPerUser } = defaultLimits;
/** Of what the whole process grows by; a stream alone takes a third of it. */
const bytesForAStream = 96 * 1024;
const beyond = 300;
const together = 100;
const patience = { timeoutMs: 90_000, intervalMs: 50 };

/** What one client has of its stream. */
interface Stream {
  readonly response: IncomingMessage;
  /** All that came so far. */
  text: string;
}

describe('a service with as many event streams open as it allows, and clients that want more', () => {
  let dir: string;
  let cluster: TestCluster;
  let service: Served;
  const open: Stream[] = [];
  const users = Array.from({ length: Math.ceil((most + beyond) / streamsPerUser) + 1 }, (_, n) => `token-of-user-${n}-0123456789`);

  const stream = (token: string): Promise<Stream> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}` };
      request(`${service.url}/api/v1/events`, { agent: false, headers }, response => {
        const made: Stream = { response, text: '' };
        response.on('error', () => {});
        response.on('data', chunk => {
          made.text += chunk;
        });
        resolve(made);
      })
        .once('error', reject)
        .end();
    });
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(service.metricsUrl)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };

  beforeAll(async () => {
    dir = await tempDir('streams');
    cluster = await startCluster({ name: 'streams', controllers: false, unsafeNoFsync: true });
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', '--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')]));
    const parts = { dir, name: 'streams', kubeconfig: cluster.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') };
    const configFile = await writeServeConfig({ ...parts, more: 'policies: {}\n' });
    const lines = [`${tokens.alice},alice,ops`, ...users.map((token, n) => `${token},user-${n},watchers`)];
    await writeFile(tokensFileOf(parts), `${lines.join('\n')}\n`, { mode: 0o600 });
    service = await serveFrom({ name: 'streams', configFile });
    await service.said('leading');
  });
  afterAll(async () => {
    for (const { response } of open) response.destroy();
    service?.signal('SIGKILL');
    await service?.exited;
    await cluster?.destroy();
  });

  it('refuses the rest with a clear 503, takes little memory for those it has, and answers as before', { timeout: 180_000 }, async () => {
    const before = await metric('process_resident_memory_bytes');
    const refused: Stream[] = [];
    for (let n = 0; n < most + beyond; n += together) {
      const wanted = Array.from({ length: Math.min(together, most + beyond - n) }, (_, i) => stream(users[(n + i) % users.length]!));
      for (const one of await Promise.all(wanted)) (one.response.statusCode === 200 ? open : refused).push(one);
    }
    expect([open.length, refused.length]).toEqual([most, beyond]);
    await waitFor('every refusal has come', async () => refused.every(({ response }) => response.complete), patience);
    for (const { response, text } of refused) {
      expect([response.statusCode, response.headers['content-type']]).toEqual([503, expect.stringMatching(/^application\/problem\+json/)]);
      expect(response.headers['retry-after']).toBeDefined();
      expect(JSON.parse(text)).toMatchObject({ code: 'STREAMS_EXHAUSTED', detail: expect.stringContaining(`all ${most}`) });
    }
    const after = await metric('process_resident_memory_bytes');
    expect((after - before) / most, `${before} and ${after} bytes`).toBeLessThan(bytesForAStream);
    expect(await service.get('version', users[0])).toHaveProperty('user', 'user-0');
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  });

  it('tells all of them of a backup, which goes on as ever', async () => {
    const asked = await service.send('POST', 'backups', { tier: 'watched' });
    const { id } = (await asked.json()) as { id: string };
    const isOver = ({ text }: Stream) => text.includes(`"id":"${id}"`) && text.includes('"phase":"Completed"');
    await waitFor('every stream has heard of its end', async () => open.every(isOver), patience);
    expect(await service.get(`operations/${id}`)).toMatchObject({ phase: 'Completed' });
  });

  it('gives the places of those who leave to others', async () => {
    for (const { response } of open.splice(0, 50)) response.destroy();
    await waitFor(
      'there is room again',
      async () => {
        const one = await stream(users.at(-1)!);
        if (one.response.statusCode === 200) open.push(one);
        return one.response.statusCode === 200;
      },
      patience,
    );
    expect(
      service
        .log()
        .split('\n')
        .filter(line => line.includes('"level":"error"')),
    ).toEqual([]);
  });
});
