import { DeleteObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

/** What a mover uses of the SDK, loaded when it is wanted: by name, so that the bundle leaves the rest out. */
export const sdk = { DeleteObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client };
