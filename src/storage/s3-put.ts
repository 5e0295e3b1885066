import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Attempt } from './attempt.ts';
import { abortable, createBufferPool, inBuffers } from './body.ts';
import { sendOptions } from './s3-client.ts';
import { find, type S3Bucket } from './s3-head.ts';
import { abandonUpload, conditionally, createUpload, sha256Base64, type UploadOptions, uploadParts } from './s3-upload.ts';

export interface S3Writer extends S3Bucket {
  readonly partBytes: number;
  readonly partConcurrency: number;
  readonly attemptPart: Attempt;
  /** Cleared when the server says that it does not know conditional writes. */
  conditional: boolean;
}

/** Stores a new object and resolves with its size in bytes; STORE_EXISTS when the key is taken. */
export async function put(
  store: S3Writer,
  key: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const found = await find(store, key, signal);
  if ('object' in found && found.object !== undefined) throw new HoldfastError('STORE_EXISTS', `writing ${key}: it exists already`);
  try {
    return await putBody(store, key, body, signal);
  } catch (thrown) {
    // A server that refuses a body unread closes the connection, which often arrives before its answer.
    if (!isCode(thrown, 'STORE_UNREACHABLE')) throw thrown;
    // Who may only write is not told what is there; but where the write fails as well, the refusal was the reason.
    if ('refused' in found) throw found.refused;
    await askToWrite(store, key, signal);
    throw thrown;
  }
}

async function putBody(
  store: S3Writer,
  key: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (body instanceof Uint8Array) {
    if (body.length <= store.partBytes) return await putWhole(store, key, body, signal);
    return await uploadParts(store, key, slices(body, store.partBytes), partOptions(store, signal));
  }
  const pool = createBufferPool(store.partBytes);
  const buffers = inBuffers(abortable(body, signal), pool);
  const first = await buffers.next();
  if (first.done === true) return await putWhole(store, key, new Uint8Array(0), signal);
  if (first.value.length < store.partBytes) return await putWhole(store, key, first.value, signal);
  const options = { ...partOptions(store, signal), onStored: pool.give };
  return await uploadParts(store, key, startingWith(first.value, buffers), options);
}

function* slices(body: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

async function* startingWith(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

function partOptions(store: S3Writer, signal: AbortSignal | undefined): UploadOptions {
  return { concurrency: store.partConcurrency, attempt: store.attemptPart, signal };
}

/** One request, no look at what is there before it. */
export async function putWhole(store: S3Writer, key: string, body: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
  const request = { Bucket: store.bucket, Key: store.base + key, Body: body, ChecksumSHA256: sha256Base64(body) };
  await store.connection.call(`writing ${key}`, signal, (client, sdk) =>
    conditionally(store, condition => client.send(new sdk.PutObjectCommand({ ...request, ...condition }), sendOptions(signal))),
  );
  return body.length;
}

/** Starting an upload takes the right to write and sends no body, so that a refusal arrives: STORE_FORBIDDEN with the store's words. */
async function askToWrite(store: S3Writer, key: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await abandonUpload(store, key, await createUpload(store, key, signal));
  } catch (thrown) {
    if (isCode(thrown, 'STORE_FORBIDDEN', 'STORE_BUCKET_MISSING', 'STORE_FULL')) throw thrown;
  }
}
