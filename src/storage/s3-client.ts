import type { S3Client } from '@aws-sdk/client-s3';
import { s3Error } from './s3-errors.ts';

type Sdk = typeof import('./s3-sdk.ts').sdk;

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3ConnectionOptions {
  /** For messages. */
  readonly bucket: string;
  /** `https://host[:port]`; the AWS endpoint of the region unless given. */
  readonly endpoint?: string;
  readonly region?: string;
  /** Bucket in the path, not in the host name: what most servers other than AWS need. */
  readonly forcePathStyle?: boolean;
  /** The SDK's default chain (environment, profile, web identity, instance) unless given. */
  readonly credentials?: S3Credentials;
  /** Sockets at most; 16 unless told. More calls than that wait for one. */
  readonly connections?: number;
  /** Milliseconds without a byte in either direction after which a call fails; 60,000 unless told. */
  readonly idleTimeoutMs?: number;
}

/** The SDK, imported at the first call because that takes a third of a second, and one client. */
export interface S3Connection {
  /** Runs one request, no retries. Errors are STORE_ errors with `doing` in front; an abort rejects with the signal's reason. */
  call<T>(doing: string, signal: AbortSignal | undefined, run: (client: S3Client, sdk: Sdk) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

async function connect(options: S3ConnectionOptions): Promise<{ client: S3Client; sdk: Sdk }> {
  const [{ sdk }, { NodeHttpHandler }] = await Promise.all([import('./s3-sdk.ts'), import('@smithy/node-http-handler')]);
  const agent = { keepAlive: true, maxSockets: options.connections ?? 16 };
  const { endpoint, credentials, forcePathStyle } = options;
  // Servers other than AWS have no regions, but requests are signed for one; this is the one they all accept.
  const region = options.region ?? (endpoint === undefined ? undefined : 'us-east-1');
  const client = new sdk.S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
    maxAttempts: 1,
    // Other servers stumble over the trailing checksums that are the SDK's default; every body of ours has a SHA-256 of its own.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // With it, the SDK opens a new connection for each upload, and waits six seconds where a server does not know the header.
    expectContinueHeader: false,
    logger: quiet,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 10_000,
      socketTimeout: options.idleTimeoutMs ?? 60_000,
      httpAgent: agent,
      httpsAgent: agent,
      logger: quiet,
    }),
  });
  return { client, sdk };
}

export function createS3Connection(options: S3ConnectionOptions): S3Connection {
  let connected: Promise<{ client: S3Client; sdk: Sdk }> | undefined;
  return {
    call: async (doing, signal, run) => {
      signal?.throwIfAborted();
      connected ??= connect(options);
      const { client, sdk } = await connected;
      try {
        return await run(client, sdk);
      } catch (thrown) {
        signal?.throwIfAborted();
        throw s3Error(thrown, doing, options.bucket);
      }
    },
    close: async () => {
      const open = await connected;
      open?.client.destroy();
    },
  };
}

/** What `send` takes of the caller's signal. */
export function sendOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
