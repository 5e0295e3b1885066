import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { binary, type Progress } from './binaries.ts';
import { containerOr } from './containers.ts';
import { makeGuardedDir } from './guarded-dir.ts';
import { startS3Container } from './s3-container.ts';
import { minio, type S3Keys, type S3Launch, startS3Process, versitygw } from './s3-launch.ts';

/** A real S3 server with versioning and object lock, with data of its own. */
export interface S3Server {
  /** http URL; another one after `moveTo`. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly dir: string;
  readonly kind: 'minio' | 'versitygw';
  /** Down, and up again with the same data and keys on another address of this machine: a node’s network goes, and its store stays. */
  moveTo(address: string): Promise<void>;
  /** Nobody listens at its address any more, data and keys stay; and it is back there. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  /** Down, data deleted; may be called twice. */
  stop(): Promise<void>;
  /** `objectLock` brings versioning along. */
  createBucket(name: string, options?: { objectLock?: boolean; versioning?: boolean }): Promise<void>;
}

export interface S3Options {
  /** Where it listens, default loopback; pods reach a server at their node's `hostAddress`. */
  readonly address?: string;
  readonly onProgress?: Progress;
}

export async function startMinio(options: S3Options = {}): Promise<S3Server> {
  return start(minio, options);
}

export async function startVersitygw(options: S3Options = {}): Promise<S3Server> {
  return start(versitygw, options);
}

async function start(launch: S3Launch, { address, onProgress }: S3Options): Promise<S3Server> {
  const program = await binary(launch.kind, onProgress);
  const keys = { accessKey: `test${randomBytes(4).toString('hex')}`, secretKey: randomBytes(20).toString('hex') };
  const dir = await makeGuardedDir(`holdfast-${launch.kind}-`);
  try {
    for (const folder of ['data', 'versions', 'meta']) await mkdir(join(dir.path, folder));
    const native = () => startS3Process(launch, program, dir.path, keys, { host: address });
    const container = () => startS3Container(launch, program, dir.path, keys);
    let started = address ? await native() : await containerOr(launch.kind, container, native, onProgress);
    return {
      ...keys,
      get endpoint() {
        return started.endpoint;
      },
      dir: dir.path,
      kind: launch.kind,
      moveTo: async to => {
        await started.stop();
        started = await startS3Process(launch, program, dir.path, keys, { host: to });
      },
      goAway: () => started.stop(),
      comeBack: async () => {
        const { hostname, port } = new URL(started.endpoint);
        started = await startS3Process(launch, program, dir.path, keys, { host: hostname, port: Number(port) });
      },
      stop: onceOnly(async () => {
        await started.stop();
        await dir.remove();
      }),
      createBucket: (name, options) => createBucket({ endpoint: started.endpoint, ...keys }, name, options),
    };
  } catch (thrown) {
    await dir.remove();
    throw thrown;
  }
}

type Credentials = S3Keys & Pick<S3Server, 'endpoint'>;

/** A client for the server, to be destroyed by the caller. */
export function s3Client({ endpoint, accessKey, secretKey }: Credentials): S3Client {
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
}

async function createBucket(server: Credentials, name: string, options: { objectLock?: boolean; versioning?: boolean } = {}) {
  const client = s3Client(server);
  try {
    await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: options.objectLock ?? false }));
    if (!options.versioning && !options.objectLock) return;
    await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: 'Enabled' } }));
  } finally {
    client.destroy();
  }
}

function onceOnly(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}
