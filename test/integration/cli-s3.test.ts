import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { type S3Server, startMinio, startVersitygw } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { holdfast } from '../helpers/command.ts';

let cluster: TestCluster;
let work: string;
beforeAll(async () => {
  cluster = await startCluster({ name: 'cli-s3', unsafeNoFsync: true });
  work = await tempDir('s3');
  await holdfast(['keys', 'generate', '--out', join(work, 'keys')]);
});
afterAll(async () => {
  await cluster?.destroy();
});

describe.each([
  ['MinIO', startMinio],
  ['versitygw', startVersitygw],
] as const)('a repository on %s, by the real command', (_name, start) => {
  let server: S3Server;
  let env: NodeJS.ProcessEnv;
  const flags = (bucket: string): string[] => [
    '--location',
    `s3://${bucket}/platform`,
    '--s3-endpoint',
    server.endpoint,
    '--s3-path-style',
    '--keys-dir',
    join(work, 'keys'),
  ];
  beforeAll(async () => {
    server = await start();
    env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey, AWS_REGION: 'us-east-1' };
    await server.createBucket('backups', { versioning: true });
  });
  afterAll(() => server?.stop());

  it('takes a backup, verifies it and plans its restore', async () => {
    const made = await holdfast(['init', ...flags('backups')], { env });
    expect(made.exit, made.stderr).toBe(0);
    const again = await holdfast(['init', ...flags('backups')], { env });
    expect(again.exit, again.stderr).toBe(2);
    expect(again.stderr).toContain('already holds a repository');
    const backup = await holdfast(['backup', 'create', ...flags('backups'), '--kubeconfig', cluster.kubeconfig], { env });
    expect(backup.exit, backup.stderr).toBe(0);
    const identity = ['--identity', join(work, 'keys', 'operator.identity')];
    const verified = await holdfast(['verify', 'latest', ...flags('backups'), ...identity], { env });
    expect(verified.exit, verified.stderr).toBe(0);
    const plan = await holdfast(
      ['restore', 'plan', 'latest', ...flags('backups'), ...identity, '--kubeconfig', cluster.kubeconfig, '-o', 'json'],
      { env },
    );
    expect(plan.exit, plan.stderr).toBe(0);
    expect(JSON.parse(plan.stdout)).toMatchObject({ totals: { create: 0, fail: 0 } });
  });

  it('says that a bucket is missing, with exit code 10', async () => {
    const ran = await holdfast(['backup', 'get', ...flags('no-such-bucket')], { env });
    expect(ran.exit, ran.stderr).toBe(10);
    expect(ran.stderr).toContain('no-such-bucket');
  });

  it('says that credentials are wrong, with exit code 1, and shows none', async () => {
    const wrong = { ...env, AWS_SECRET_ACCESS_KEY: 'not-the-secret-at-all' };
    const ran = await holdfast(['backup', 'get', ...flags('backups')], { env: wrong });
    expect(ran.exit, ran.stderr).toBe(1);
    expect(ran.stderr).toContain('credentials');
    expect(ran.stderr + ran.stdout).not.toContain('not-the-secret-at-all');
  });
});

describe('a server that overwrites although it was told not to', () => {
  const objects = new Map<string, Buffer>();
  let server: Server;
  /** As much of S3 as a put needs, with `If-None-Match` ignored: a fault of old servers that none of the real ones above has. */
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const [key = '', query = ''] = request.url?.split('?') ?? [];
      const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
      const found = objects.get(key);
      if (request.method === 'PUT') objects.set(key, body);
      if (request.method === 'DELETE') objects.delete(key);
      if (query.includes('list-type=2')) response.end('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
      else if (request.method === 'HEAD' && found === undefined) response.writeHead(404).end();
      else response.writeHead(request.method === 'DELETE' ? 204 : 200, { etag: '"1"' }).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => server.close());

  it('gets no repository, and nothing is left there', async () => {
    const { port } = server.address() as AddressInfo;
    const ran = await holdfast(
      [
        ...['init', '--location', 's3://backups/platform', '--s3-endpoint', `http://127.0.0.1:${port}`, '--s3-path-style'],
        ...['--keys-dir', join(work, 'keys'), '-o', 'json'],
      ],
      { env: { AWS_ACCESS_KEY_ID: 'some', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'us-east-1' } },
    );
    expect(ran.exit, ran.stderr).toBe(1);
    expect(ran.stderr + ran.stdout).toContain('STORE_OVERWRITES');
    expect(ran.stderr + ran.stdout).toContain('If-None-Match');
    expect([...objects.keys()]).toEqual([]);
  });
});
