import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { nodeSupport } from '../cluster/node-support.ts';
import { startMinio } from '../cluster/s3.ts';

const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of stops) await stop();
});

/** What a demonstration in a bucket is told. */
async function bucket(): Promise<NodeJS.ProcessEnv> {
  const server = await startMinio();
  stops.push(() => server.stop());
  await server.createBucket('demo', { versioning: true });
  return {
    HOLDFAST_DEMO_LOCATION: `s3://demo?endpoint=${server.endpoint}&region=us-east-1&pathStyle=true`,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
  };
}

const { supported: hasNode } = await nodeSupport();

it.each([
  hasNode
    ? { where: 'with a volume', settings: async () => ({}), shows: /every file, link, owner and mode is as it was/ }
    : { where: 'in a folder', settings: async () => ({}), shows: /file:/ },
  { where: 'in a bucket of its own', settings: bucket, shows: /s3:\/\/demo/ },
])('the demonstration does the main job to its end $where', { timeout: 600_000 }, async ({ settings, shows }) => {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../demo/main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(await settings()) },
    signal: AbortSignal.timeout(580_000),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const exit = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  const text = stripVTControlCharacters(output);
  expect(exit, text).toBe(0);
  expect(text).toMatch(shows);
  expect(text).toContain('does not answer any more; its data folder is deleted');
  expect(text).toMatch(/live-finishing: Succeeded; .*nothing of it ran on this cluster/);
  expect(text).toMatch(/live-half-done, resumed: Succeeded; .*ran on this cluster: test$/m);
  expect(text).toMatch(/checks +\d+ passed, 0 failed/);
});
