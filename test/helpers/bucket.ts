import { createS3Store } from '../../src/storage/s3-store.ts';
import type { S3Server } from '../cluster/s3.ts';

/** What lies below a key, bytes. */
export async function bytesBelow({ endpoint, accessKey, secretKey }: S3Server, bucket: string, key: string): Promise<number> {
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const store = createS3Store({ endpoint, credentials, bucket, prefix: '', forcePathStyle: true });
  try {
    let sum = 0;
    for await (const { bytes } of store.list(key, { signal: AbortSignal.timeout(60_000) })) sum += bytes;
    return sum;
  } finally {
    await store.close();
  }
}
