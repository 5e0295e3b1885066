import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DeleteObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { moverSecrets } from '../../src/domain/mover.ts';
import { createStsAccess } from '../../src/storage/s3-access.ts';
import { type S3Server, s3Client, startMinio } from '../cluster/s3.ts';
import { type MishapProxy, startMishapProxy } from '../contract/object-store-proxy.ts';
import { backupRequest, snapshotOf, type TestMover, testMover } from '../helpers/mover.ts';
import { startMoverProcess } from '../helpers/mover-process.ts';
import { describeTree } from '../helpers/tree-digest.ts';

const run = promisify(execFile);
const bucket = 'volumes';
const key = 'volumes/agents/workspace/';

describe('a mover with credentials for its backup alone', () => {
  let server: S3Server;
  let proxy: MishapProxy;
  let mover: TestMover;
  let volume: string;

  beforeAll(async () => {
    server = await startMinio();
    await server.createBucket(bucket);
    proxy = await startMishapProxy(server.endpoint);
    const keys = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
    mover = await testMover({ store: { repository: `s3:${proxy.endpoint}/${bucket}/${key.slice(0, -1)}`, ...keys } });
    volume = join(mover.dir, 'source', 'data');
    await mkdir(volume, { recursive: true });
    for (let i = 0; i < 10; i += 1) await writeFile(join(volume, `file-${i}`), randomBytes(400_000));
  });
  afterAll(async () => {
    await mover?.remove();
    await proxy?.close();
    await server?.stop();
  });

  /** As it gets them for a repository that was made, or for one that was not. */
  const withRights = async (remove: readonly string[]): Promise<S3Client> => {
    const location = { kind: 's3', endpoint: server.endpoint, bucket, prefix: '', forcePathStyle: true } as const;
    const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
    const asked = { write: true, remove, seconds: 900, signal: AbortSignal.timeout(60_000) };
    const { accessKeyId, secretAccessKey, sessionToken = '' } = await createStsAccess({ location, credentials }).issue(key, asked);
    for (const [name, value] of [
      [moverSecrets.accessKeyId, accessKeyId],
      [moverSecrets.secretAccessKey, secretAccessKey],
      [moverSecrets.sessionToken, sessionToken],
    ] as const) {
      await writeFile(join(mover.secretsDir, name), value);
    }
    const own = { accessKeyId, secretAccessKey, sessionToken };
    return new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: own });
  };
  const keysBelow = async (folder: string): Promise<string[]> => {
    const client = s3Client(server);
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `${key}${folder}` }));
    client.destroy();
    return Contents.map(one => one.Key ?? '');
  };
  const resticEnvironment = async () => {
    const secret = (name: string) => readFile(join(mover.secretsDir, name), 'utf8');
    return {
      ...{ RESTIC_REPOSITORY: mover.repository, RESTIC_PASSWORD: mover.password },
      AWS_ACCESS_KEY_ID: await secret(moverSecrets.accessKeyId),
      AWS_SECRET_ACCESS_KEY: await secret(moverSecrets.secretAccessKey),
      AWS_SESSION_TOKEN: await secret(moverSecrets.sessionToken),
    };
  };

  it('backs up, removes the lock of one that was killed, backs up again, and cannot delete a pack', async () => {
    (await withRights(['locks/', 'keys/'])).destroy();
    expect(await mover.backup(volume)).toMatchObject({ ok: true, files: 10 });
    const client = await withRights(['locks/']);
    try {
      for (let i = 0; i < 20; i += 1) await writeFile(join(volume, `more-${i}`), randomBytes(900_000));
      // Killed while its data is on its way, which the proxy holds up.
      const { promise: held, resolve } = Promise.withResolvers<void>();
      proxy.onRequest(({ method, url }) => {
        if (method !== 'PUT' || !url?.includes('/data/')) return undefined;
        resolve();
        return { kind: 'refuse' };
      });
      const killed = startMoverProcess(mover, backupRequest(mover.common(), volume));
      await held;
      killed.signal('SIGKILL', 'pod');
      await killed.exited;
      proxy.onRequest(() => undefined);
      expect((await keysBelow('locks/')).length).toBeGreaterThan(0);
      // As a mover does that finds the repository locked.
      await run(mover.restic, ['--no-cache', 'unlock', '--remove-all'], { env: await resticEnvironment() });
      expect(await keysBelow('locks/')).toEqual([]);
      const again = await mover.backup(volume, { time: '2026-11-24T02:00:00.000Z' });
      expect(again).toMatchObject({ ok: true, files: 30 });
      expect(await keysBelow('locks/')).toEqual([]);

      const [pack = ''] = await keysBelow('data/');
      await expect(client.send(new DeleteObjectCommand({ Bucket: bucket, Key: pack }))).rejects.toMatchObject({ name: 'AccessDenied' });
      expect(await keysBelow('data/')).toContain(pack);
      const target = join(mover.dir, 'target', 'data');
      await mkdir(target, { recursive: true });
      expect(await mover.restore(target, snapshotOf(again))).toMatchObject({ ok: true });
      expect(await describeTree(target)).toEqual(await describeTree(volume));
    } finally {
      client.destroy();
    }
  });
});
