import { type HoldfastError, isCode } from '../domain/errors.ts';
import type { StoredObject } from './object-store.ts';
import { type S3Connection, sendOptions } from './s3-client.ts';
import { isAccessDenied, statusOf } from './s3-errors.ts';

/** Where a store's keys lie, and what has been learned of it. */
export interface S3Bucket {
  readonly connection: S3Connection;
  readonly bucket: string;
  /** The location's prefix with its `/`, or empty. */
  readonly base: string;
  /** Set once the bucket has answered: from then on a missing object is just that. */
  bucketSeen: boolean;
  /** Undefined until it was asked. */
  versioned: boolean | undefined;
}

/** What is there; or that the store does not let this account know. */
export type Found = { readonly object: StoredObject | undefined } | { readonly refused: HoldfastError };

/** Looks for an object. A missing bucket and an unknown account are errors, a refusal of this one call is a result. */
export async function find(store: S3Bucket, key: string, signal: AbortSignal | undefined): Promise<Found> {
  try {
    const found = await store.connection.call(`looking for ${key}`, signal, (client, sdk) =>
      client.send(new sdk.HeadObjectCommand({ Bucket: store.bucket, Key: store.base + key }), sendOptions(signal)),
    );
    store.bucketSeen = true;
    return { object: { key, bytes: found.ContentLength ?? 0, modified: found.LastModified ?? new Date(0) } };
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_NOT_FOUND', 'STORE_FORBIDDEN')) throw thrown;
    await explainRefusal(store, key, signal);
    return thrown.code === 'STORE_NOT_FOUND' ? { object: undefined } : { refused: thrown };
  }
}

/**
 * A HEAD answer has no body, so that a missing object, a missing bucket and an unknown account look alike. Until the bucket has answered
 * once, a call whose answer has a body is made, which throws where it tells more. Who may not list gets no explanation.
 */
async function explainRefusal(store: S3Bucket, key: string, signal: AbortSignal | undefined): Promise<void> {
  if (store.bucketSeen) return;
  const request = { Bucket: store.bucket, Prefix: store.base, MaxKeys: 1 };
  const listed = await store.connection.call(`looking for ${key}`, signal, (client, sdk) =>
    client.send(new sdk.ListObjectsV2Command(request), sendOptions(signal)).catch((thrown: unknown) => {
      if (isAccessDenied(thrown)) return undefined;
      throw thrown;
    }),
  );
  if (listed !== undefined) store.bucketSeen = true;
}

/** Does, or may, the bucket keep versions of deleted objects? Asked once; whoever may not know must assume it. */
export async function mayBeVersioned(store: S3Bucket, signal: AbortSignal | undefined): Promise<boolean> {
  if (store.versioned === undefined) {
    const answer = await store.connection.call(`asking for versioning of ${store.bucket}`, signal, (client, sdk) =>
      client.send(new sdk.GetBucketVersioningCommand({ Bucket: store.bucket }), sendOptions(signal)).catch((thrown: unknown) => {
        if ((statusOf(thrown) ?? 500) < 500 || statusOf(thrown) === 501) return undefined;
        throw thrown;
      }),
    );
    store.versioned = answer === undefined || answer.Status !== undefined;
  }
  return store.versioned;
}
