import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type S3Server, s3Client, startMinio, startVersitygw } from './s3.ts';

describe.each([
  ['minio', startMinio],
  ['versitygw', startVersitygw],
])('%s', (_, start) => {
  let server: S3Server;
  let client: S3Client;

  beforeAll(async () => {
    server = await start();
    client = s3Client(server);
  });
  afterAll(async () => {
    client?.destroy();
    await server?.stop();
  });

  async function put(Bucket: string, Body: string, ObjectLockRetainUntilDate?: Date): Promise<string | undefined> {
    const lock = ObjectLockRetainUntilDate ? { ObjectLockMode: 'COMPLIANCE' as const, ObjectLockRetainUntilDate } : {};
    return (await client.send(new PutObjectCommand({ Bucket, Key: 'a/b', Body, ...lock }))).VersionId;
  }

  test('gives back the bytes it took', async () => {
    await server.createBucket('plain');
    await put('plain', 'some bytes');
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'plain', Key: 'a/b' }));
    expect(await Body?.transformToString()).toBe('some bytes');
  });

  test('refuses a wrong secret key', async () => {
    await server.createBucket('closed');
    const stranger = s3Client({ ...server, secretKey: 'x'.repeat(40) });
    await expect(stranger.send(new GetObjectCommand({ Bucket: 'closed', Key: 'a' }))).rejects.toThrow(/signature/i);
    stranger.destroy();
  });

  test('keeps both versions of an object that was written twice', async () => {
    await server.createBucket('versioned', { versioning: true });
    await put('versioned', 'one');
    await put('versioned', 'two');
    const { Versions } = await client.send(new ListObjectVersionsCommand({ Bucket: 'versioned' }));
    expect(Versions?.map(version => version.IsLatest)).toEqual([true, false]);
  });

  test('refuses to delete a locked version', async () => {
    await server.createBucket('locked', { objectLock: true });
    const until = new Date(Date.now() + 3_600_000);
    const VersionId = await put('locked', 'kept', until);
    const key = { Bucket: 'locked', Key: 'a/b', VersionId };
    expect((await client.send(new GetObjectRetentionCommand(key))).Retention?.Mode).toBe('COMPLIANCE');
    await expect(client.send(new DeleteObjectCommand(key))).rejects.toThrow(/WORM|lock/i);
    const { Body } = await client.send(new GetObjectCommand(key));
    expect(await Body?.transformToString()).toBe('kept');
  });

  test('two servers of a kind run side by side', async () => {
    const second = await start();
    try {
      await second.createBucket('elsewhere');
      await expect(client.send(new GetObjectCommand({ Bucket: 'elsewhere', Key: 'a' }))).rejects.toThrow(/bucket does not exist/i);
    } finally {
      await second.stop();
    }
  });
});
