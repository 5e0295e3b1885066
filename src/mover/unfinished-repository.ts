import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What lies where a repository should be; one adapter for a folder, one for a bucket. */
interface Place {
  exists(name: string): Promise<boolean>;
  /** Names below a folder, all of them. */
  list(folder: string): Promise<readonly string[]>;
  remove(folder: string, name: string): Promise<void>;
}

/** Folders with what was ever written to a repository; `keys` apart. */
const contents = ['data', 'index', 'snapshots'];

/**
 * Removes the keys of a repository that was never finished: keys, no configuration, no content. False, and nothing is removed, where there is
 * more.
 */
export async function removeUnfinished(repository: string, environment: Readonly<Record<string, string>>): Promise<boolean> {
  const place = repository.startsWith('s3:') ? await bucketPlace(repository, environment) : folderPlace(repository);
  try {
    if (await place.exists('config')) return false;
    for (const folder of contents) if ((await place.list(folder)).length > 0) return false;
    for (const name of await place.list('keys')) await place.remove('keys', name);
    return true;
  } finally {
    await place.close();
  }
}

type OpenPlace = Place & { close(): Promise<void> };

function folderPlace(repository: string): OpenPlace {
  const dir = repository.replace(/^local:/, '');
  return {
    exists: name =>
      access(join(dir, name)).then(
        () => true,
        () => false,
      ),
    list: async folder => {
      const entries = await readdir(join(dir, folder), { recursive: true, withFileTypes: true }).catch(() => []);
      return entries.filter(entry => entry.isFile()).map(entry => entry.name);
    },
    remove: (folder, name) => rm(join(dir, folder, name)),
    close: async () => {},
  };
}

/** `s3:https://host/bucket/prefix`, the way that restic itself takes it apart. */
async function bucketPlace(repository: string, environment: Readonly<Record<string, string>>): Promise<OpenPlace> {
  const [{ sdk }, { NodeHttpHandler }] = await Promise.all([import('./s3-sdk.ts'), import('@smithy/node-http-handler')]);
  const { DeleteObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } = sdk;
  const url = new URL(repository.slice('s3:'.length).replace(/^(?!https?:)\/*/, 'https://'));
  const [bucket = '', ...rest] = url.pathname.split('/').filter(part => part !== '');
  const prefix = rest.map(part => `${part}/`).join('');
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '', AWS_SESSION_TOKEN: token } = environment;
  const ca = environment['RESTIC_CACERT'];
  const httpsAgent = ca === undefined ? {} : { ca: await (await import('node:fs/promises')).readFile(ca) };
  const client = new S3Client({
    endpoint: url.origin,
    region: environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey, ...(token === undefined ? {} : { sessionToken: token }) },
    requestHandler: new NodeHttpHandler({ httpsAgent, connectionTimeout: 10_000, requestTimeout: 30_000 }),
  });
  return {
    exists: async name => {
      const sent = client.send(new HeadObjectCommand({ Bucket: bucket, Key: prefix + name }));
      return sent.then(
        () => true,
        (thrown: { $metadata?: { httpStatusCode?: number } }) => {
          if (thrown.$metadata?.httpStatusCode === 404) return false;
          throw thrown;
        },
      );
    },
    list: async folder => {
      // One that has content has it among the first thousand; a repository that was never finished has one key.
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}${folder}/` }));
      return Contents.map(({ Key = '' }) => Key.slice(Key.lastIndexOf('/') + 1));
    },
    remove: async (folder, name) => {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: `${prefix}${folder}/${name}` }));
    },
    close: async () => client.destroy(),
  };
}
