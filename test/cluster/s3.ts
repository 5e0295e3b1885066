import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { binary } from './binaries.ts';
import { makeGuardedDir } from './guarded-dir.ts';
import { startGuarded } from './guarded-process.ts';
import { httpOk } from './http-ok.ts';
import { freePort } from './ports.ts';
import { retryOnTakenPort, waitForServer } from './wait.ts';

/** A real S3 server with versioning and object lock, on loopback, with data of its own. */
export interface S3Server {
  /** http URL */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly dir: string;
  readonly kind: 'minio' | 'versitygw';
  /** Down, data deleted; may be called twice. */
  stop(): Promise<void>;
  /** `objectLock` brings versioning along. */
  createBucket(name: string, options?: { objectLock?: boolean; versioning?: boolean }): Promise<void>;
}

/** How one kind of server is started: everything that differs between them. */
interface Launch {
  readonly kind: S3Server['kind'];
  readonly healthPath: string;
  arguments(address: string, dir: string): readonly string[];
  environment(accessKey: string, secretKey: string): Readonly<Record<string, string>>;
}

const minio: Launch = {
  kind: 'minio',
  healthPath: '/minio/health/cluster',
  arguments: (address, dir) => ['server', '--quiet', `--address=${address}`, '--console-address=127.0.0.1:0', join(dir, 'data')],
  environment: (user, password) => ({ MINIO_ROOT_USER: user, MINIO_ROOT_PASSWORD: password, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off' }),
};

const versitygw: Launch = {
  kind: 'versitygw',
  healthPath: '/health',
  arguments: (address, dir) => [
    ...['--quiet', '--port', address, '--health', '/health', 'posix'],
    // Metadata in files of its own: not every file system of a test machine takes extended attributes.
    ...['--sidecar', join(dir, 'meta'), '--versioning-dir', join(dir, 'versions'), join(dir, 'data')],
  ],
  environment: (user, password) => ({ ROOT_ACCESS_KEY: user, ROOT_SECRET_KEY: password }),
};

export async function startMinio(): Promise<S3Server> {
  return start(minio);
}

export async function startVersitygw(): Promise<S3Server> {
  return start(versitygw);
}

async function start(launch: Launch): Promise<S3Server> {
  const command = await binary(launch.kind);
  const dir = await makeGuardedDir(`holdfast-${launch.kind}-`);
  for (const folder of ['data', 'versions', 'meta']) await mkdir(join(dir.path, folder));
  const accessKey = `test${randomBytes(4).toString('hex')}`;
  const secretKey = randomBytes(20).toString('hex');
  try {
    const { process, port } = await retryOnTakenPort(() => startOnce(launch, command, dir.path, accessKey, secretKey));
    const stop = async () => {
      await process.stop();
      await dir.remove();
    };
    const endpoint = `http://127.0.0.1:${port}`;
    const server = { endpoint, accessKey, secretKey, dir: dir.path, kind: launch.kind, stop };
    return { ...server, createBucket: (name, options) => createBucket(server, name, options) };
  } catch (thrown) {
    await dir.remove();
    throw thrown;
  }
}

async function startOnce(launch: Launch, command: string, dir: string, accessKey: string, secretKey: string) {
  const port = await freePort();
  const process = await startGuarded({
    name: launch.kind,
    command,
    args: launch.arguments(`127.0.0.1:${port}`, dir),
    env: launch.environment(accessKey, secretKey),
    logFile: join(dir, `${launch.kind}.log`),
  });
  try {
    await waitForServer(process, () => httpOk(`http://127.0.0.1:${port}${launch.healthPath}`), { timeoutMs: 60_000 });
    return { process, port };
  } catch (thrown) {
    await process.stop(0);
    throw thrown;
  }
}

type Credentials = Pick<S3Server, 'endpoint' | 'accessKey' | 'secretKey'>;

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
