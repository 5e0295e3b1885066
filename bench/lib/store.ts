import { type S3Server, startMinio } from '../../test/cluster/s3.ts';

/** A bucket that is there, on a server of this machine. */
export interface Bucket {
  /** `http://127.0.0.1:9000` */
  readonly endpoint: string;
  readonly region: string;
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** MinIO with one bucket for each of those who are compared. */
export interface Store {
  readonly holdfast: Bucket;
  readonly velero: Bucket;
  stop(): Promise<void>;
}

export async function startStore(): Promise<Store> {
  const server = await startMinio();
  try {
    await server.createBucket('holdfast');
    await server.createBucket('velero');
    return { holdfast: bucket(server, 'holdfast'), velero: bucket(server, 'velero'), stop: () => server.stop() };
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
}

function bucket({ endpoint, accessKey, secretKey }: S3Server, name: string): Bucket {
  return { endpoint, region: 'us-east-1', name, accessKeyId: accessKey, secretAccessKey: secretKey };
}
