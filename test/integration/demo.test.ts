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

const folder: Way = {
  where: 'in a folder, without a node',
  settings: async () => ({ HOLDFAST_TEST_NODE: 'off' }),
  volume: false,
  shows: /file:/,
};
const node: Way = {
  where: 'with a volume',
  settings: async () => ({}),
  volume: true,
  shows: /every file, link, owner and mode is as it was/,
};
const inBucket: Way = { where: 'in a bucket of its own', settings: bucket, volume: false, shows: /s3:\/\/demo/ };

interface Way {
  readonly where: string;
  readonly settings: () => Promise<NodeJS.ProcessEnv>;
  readonly volume: boolean;
  readonly shows: RegExp;
}

const stepsOf = (volume: boolean) => [
  `A cluster with an agent platform on it${volume ? ', and an agent with a volume' : ''}`,
  'Keys: the backup gets the public halves only',
  `Back up${volume ? ', volumes and all' : ''}, and verify that it can be read`,
  'Disaster: the cluster, its etcd and its volumes are gone',
  'An empty cluster',
  'Restore: the plan, then the plan is applied',
  'The controllers start on what was restored',
  'Validate: everything is back and equal, and the platform works',
  'The half-done workflow goes on where it was',
  ...(volume ? ['The agent runs again, on the files that it had'] : []),
  'Report',
];

const { supported: hasNode } = await nodeSupport();

/** The full schemas of Argo’s definitions take the API servers of a demonstration twenty seconds of the processor: one of the ways has them. */
const ways = [...(hasNode ? [node] : []), folder, inBucket].map((way, n) => ({ ...way, argo: n === 0 ? 'full' : 'minimal' }));

it.each(ways)('the demonstration does the main job to its end $where', { timeout: 600_000 }, async ({ settings, volume, shows, argo }) => {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../demo/main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOLDFAST_DEMO_ARGO: argo, ...(await settings()) },
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
  expect([...text.matchAll(/^(\d+)\. (.+)$/gm)].map(([, n, title]) => `${n}. ${title}`)).toEqual(
    stepsOf(volume).map((title, n) => `${n + 1}. ${title}`),
  );
  expect(text).toMatch(shows);
  if (!volume) expect(text).toMatch(/without a node, and so without volumes: \S/);
  expect(text).toContain('does not answer any more; its data folder is deleted');
  expect(text).toMatch(/live-finishing: Succeeded; .*nothing of it ran on this cluster/);
  expect(text).toMatch(/live-half-done, resumed: Succeeded; .*ran on this cluster: test$/m);
  const report = text.slice(text.lastIndexOf('. Report'));
  const figure = (name: string) => Number(new RegExp(`^   ${name} +([\\d.]+)`, 'm').exec(report)?.[1]);
  expect(figure('objects')).toBeGreaterThan(200);
  expect(figure('bytes')).toBeGreaterThan(1_000);
  for (const name of ['time to back up', 'time to restore', 'checks', 'the whole demonstration'])
    expect(figure(name), name).toBeGreaterThan(0);
  expect(report).toMatch(/^ {3}checks +\d+ passed, 0 failed, \d+ skipped$/m);
  if (volume) expect(report).toMatch(/^ {3}a volume +\d+ files, [\d.]+ MiB$/m);
});
