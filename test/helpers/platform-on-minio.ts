import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import type { Keys } from '../contract/repository-fixture.ts';
import { holdfast } from './command.ts';

/** Keys as the real command makes them in that folder, for sets that a test writes by itself. */
export async function generateKeys(dir: string): Promise<Keys> {
  await holdfast(['keys', 'generate', '--out', dir]);
  const read = (name: string) => readFile(join(dir, name), 'utf8');
  const recipient = (await read('recipients.txt')).match(/^age1\S+$/m)![0];
  return { identity: '', recipient, privatePem: await read('signing.key'), publicPem: await read('signing.pub') };
}

export interface PlatformOnMinio {
  /** The real command, with credentials, where the repository is, and its keys. */
  run(...args: string[]): ReturnType<typeof holdfast>;
  /** The same repository, for the test itself. */
  readonly store: ObjectStore;
  stop(): Promise<void>;
}

/** A repository that the real command has made on a MinIO of its own. */
export async function startPlatformOnMinio(keysDir: string): Promise<PlatformOnMinio> {
  const server = await startMinio();
  try {
    return await platformOn(server, keysDir);
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
}

async function platformOn(server: S3Server, keysDir: string): Promise<PlatformOnMinio> {
  const env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey, AWS_REGION: 'us-east-1' };
  await server.createBucket('backups');
  const flags = ['--location', 's3://backups/platform', '--s3-endpoint', server.endpoint, '--s3-path-style', '--keys-dir', keysDir];
  const run = (...args: string[]) => holdfast([...args, ...flags], { env });
  expect((await run('init')).exit).toBe(0);
  const store = createS3Store({
    ...{ bucket: 'backups', prefix: 'platform', endpoint: server.endpoint, region: 'us-east-1', pathStyle: true },
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
  });
  return {
    ...{ run, store },
    stop: async () => {
      await store.close();
      await server.stop();
    },
  };
}
