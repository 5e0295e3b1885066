import { join } from 'node:path';
import { startGuarded } from './guarded-process.ts';
import { httpOk } from './http-ok.ts';
import { freePort } from './ports.ts';
import { retryOnTakenPort, waitForServer } from './wait.ts';

export interface S3Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** How one kind of server is started, as a process or in a container: everything that differs between the kinds. */
export interface S3Launch {
  readonly kind: 'minio' | 'versitygw';
  readonly healthPath: string;
  /** `dir` has the empty folders data, versions and meta. */
  arguments(address: string, dir: string): readonly string[];
  environment(keys: S3Keys): Readonly<Record<string, string>>;
}

export interface StartedS3 {
  /** http URL */
  readonly endpoint: string;
  stop(): Promise<void>;
}

export const minio: S3Launch = {
  kind: 'minio',
  healthPath: '/minio/health/cluster',
  arguments: (address, dir) => ['server', '--quiet', `--address=${address}`, '--console-address=127.0.0.1:0', join(dir, 'data')],
  environment: ({ accessKey, secretKey }) => ({
    MINIO_ROOT_USER: accessKey,
    MINIO_ROOT_PASSWORD: secretKey,
    MINIO_BROWSER: 'off',
    MINIO_UPDATE: 'off',
  }),
};

export const versitygw: S3Launch = {
  kind: 'versitygw',
  healthPath: '/health',
  arguments: (address, dir) => [
    ...['--quiet', '--port', address, '--health', '/health', 'posix'],
    // Metadata in files of its own: not every file system of a test machine takes extended attributes.
    ...['--sidecar', join(dir, 'meta'), '--versioning-dir', join(dir, 'versions'), join(dir, 'data')],
  ],
  environment: ({ accessKey, secretKey }) => ({ ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey }),
};

/** Starts the program as a process of this machine on a free port of the host's address, or on the port that is given. */
export async function startS3Process(
  launch: S3Launch,
  program: string,
  dir: string,
  keys: S3Keys,
  { host = '127.0.0.1', port }: { readonly host?: string | undefined; readonly port?: number } = {},
): Promise<StartedS3> {
  return retryOnTakenPort(async () => {
    const address = `${host}:${port ?? (await freePort(host))}`;
    const endpoint = `http://${address}`;
    const server = await startGuarded({
      name: launch.kind,
      command: program,
      args: launch.arguments(address, dir),
      env: launch.environment(keys),
      logFile: join(dir, `${launch.kind}.log`),
    });
    try {
      await waitForServer(server, () => httpOk(endpoint + launch.healthPath), { timeoutMs: 60_000 });
      return { endpoint, stop: () => server.stop() };
    } catch (thrown) {
      await server.stop(0);
      throw thrown;
    }
  });
}
